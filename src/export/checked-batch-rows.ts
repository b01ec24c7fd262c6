import { DataType, type RecordBatch } from 'apache-arrow';
import { RunError } from '../errors.ts';
import { firstNotFinite } from '../first-not-finite.ts';
import { DamagedArrow } from './arrow-message.ts';
import type { CheckedRow } from './checked-rows.ts';

/**
 * Whether every column of a batch can be read without a look at its ends: text, or lists of floats, whose offsets rise
 * within their values.
 * @throws DamagedArrow
 */
export function expectLists({ schema, data, numRows }: RecordBatch): void {
  for (const [i, { name, type }] of schema.fields.entries()) {
    const { valueOffsets: offsets, values, children, length, nullCount } = data.children[i]!;
    const isList = DataType.isList(type) && DataType.isFloat(type.children[0]!.type);
    if (!isList && !DataType.isUtf8(type)) throw new DamagedArrow(`${name} of ${type}`);
    const child = isList ? children[0]!.values : values;
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

/** The rows of one record batch of a table. */
export function* checkedBatchRows(batch: RecordBatch): Generator<CheckedRow> {
  const origins = batch.getChild('origin');
  const lists = batch.schema.fields
    .filter((field) => field.name !== 'origin' && field.name !== 'target')
    .map((field) => ({ name: field.name, data: batch.getChild(field.name)!.data[0] }));
  for (let row = 0; row < batch.numRows; row++) {
    const bad = lists.find(({ data }) => !isFiniteList(data, row));
    const fault = bad && `${bad.name} holds something that is not a finite number`;
    yield { origin: origins?.get(row) as string | undefined, fault };
  }
}

function isFiniteList(
  data: { valueOffsets: Int32Array; children: readonly { values: Float32Array | Float64Array }[] },
  row: number,
): boolean {
  const [start, end] = [data.valueOffsets[row], data.valueOffsets[row + 1]];
  return firstNotFinite(data.children[0].values.subarray(start, end)) === -1;
}
