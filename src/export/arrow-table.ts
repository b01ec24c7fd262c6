/** Record batches of a table read back, from Parquet and Feather. */
import { DataType, type RecordBatch } from 'apache-arrow';
import { RunError } from '../errors.ts';
import { firstNotFinite } from '../first-not-finite.ts';
import { listCells } from './arrow-data.ts';
import { DamagedArrow } from './arrow-message.ts';
import { type FeatureColumn, labelColumns, numericColumns, VIEW } from './column-names.ts';
import { widened } from './float16.ts';
import { emptyNumbers, inKind, notFinite, type TableBatch } from './table-batch.ts';

/**
 * Whether every column of a batch can be read without further checks of its bounds: the view, text, or lists of floats, whose
 * offsets rise within their values.
 * @throws DamagedArrow
 */
export function expectLists({ schema, data, numRows }: RecordBatch): void {
  for (const [i, { name, type }] of schema.fields.entries()) {
    const { valueOffsets: offsets, values, children, length, nullCount } = data.children[i];
    const isList = DataType.isList(type) && DataType.isFloat(type.children[0].type);
    const isWhole = name === VIEW && DataType.isInt(type) && type.bitWidth === 32;
    if (isWhole && length === numRows && nullCount === 0 && values.length >= numRows) continue;
    if (!isList && !DataType.isUtf8(type)) throw new DamagedArrow(`${name} of ${type}`);
    const child = isList ? children[0].values : values;
    if (length !== numRows || nullCount !== 0 || (numRows > 0 && offsets.length <= numRows)) {
      throw new DamagedArrow(`${length} cells of ${name} in ${numRows} rows`);
    }
    let last = 0;
    for (let row = 0; numRows > 0 && row <= numRows; row++) {
      const offset = offsets[row] as number;
      if (!(offset >= last)) throw new DamagedArrow(`offsets of ${name} that go back`);
      last = offset;
    }
    if (last > (child?.length ?? 0)) throw new DamagedArrow(`offsets of ${name} beyond its values`);
  }
}

/** What a reader of tables threw, ours or a library's, as an error that names the file. */
export function unreadableTable(what: string, name: string, cause: unknown): RunError {
  const found = (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, '');
  return new RunError(`Expected ${what} for ${name} but found ${found}.`, {
    cause,
    fix: 'Restore that file, or give --overwrite to compute the table anew.',
  });
}

/** The wanted columns of a record batch; numbers are views of it where every list has its column's length. */
export function arrowTableBatch(batch: RecordBatch, columns: readonly FeatureColumn[]): TableBatch {
  const n = batch.numRows;
  const faults = new Map<number, string>();
  const textOf = (column: FeatureColumn) => {
    const cells = cellsOf(batch, column);
    return Array.from({ length: n }, (_, row) => cells.get(row) as string);
  };
  const wanted = (kind: 'origin' | 'target') => {
    const column = columns.find((one) => one.kind === kind);
    return column && textOf(column);
  };
  const texts = new Map(labelColumns(columns).map((column) => [column.name, textOf(column)]));
  const numbers = new Map<string, Float32Array | Float64Array>();
  for (const column of numericColumns(columns)) {
    numbers.set(column.name, listValues(batch, column, faults));
  }
  const views = columns.filter(({ kind }) => kind === 'view');
  return {
    ...{ n, origins: wanted('origin'), targets: wanted('target'), texts, numbers, faults },
    views: views.length > 0 ? cellsOf(batch, views[0]).data[0].values : undefined,
  };
}

function listValues(
  batch: RecordBatch,
  column: FeatureColumn,
  faults: Map<number, string>,
): Float32Array | Float64Array {
  const { name, length } = column;
  const n = batch.numRows;
  cellsOf(batch, column);
  const { offsets, values: stored } = listCells(batch, column);
  const all = inKind(column, widened(stored));
  const isWhole = (row: number) => offsets[row + 1] - offsets[row] === length;
  const rows = Array.from({ length: n }, (_, row) => row);
  if (rows.every(isWhole)) {
    const values = all.subarray(offsets[0], offsets[n]);
    if (firstNotFinite(values) === -1) return values;
    for (const row of rows) {
      const cell = values.subarray(row * length, (row + 1) * length);
      if (firstNotFinite(cell) !== -1) faults.set(row, notFinite(name));
    }
    return values;
  }
  const values = emptyNumbers(column, n);
  for (const row of rows) {
    const cell = all.subarray(offsets[row], offsets[row + 1]);
    if (isWhole(row)) values.set(cell, row * length);
    else faults.set(row, `${name} holds ${cell.length} values instead of ${length}`);
    if (firstNotFinite(cell) !== -1) faults.set(row, notFinite(name));
  }
  return values;
}

function cellsOf(batch: RecordBatch, { name }: FeatureColumn) {
  const cells = batch.getChild(name);
  if (cells === null) throw new RunError(`Expected a column ${name} but found none.`);
  return cells;
}
