import type { RecordBatch, Vector } from 'apache-arrow';
import { RunError } from '../errors.ts';
import { npyHeader, parseNpyHeader } from '../reduce/npy.ts';
import { ByteReader, textLines } from '../storage/byte-streams.ts';
import type { OutputFile, WrittenFile } from '../storage/output-store.ts';
import { listCells } from './arrow-data.ts';
import { type FeatureColumn, isList, labelColumns, numericColumns, VIEW } from './column-names.ts';
import { widened } from './float16.ts';
import type { Sink, SinkContext } from './sink.ts';
import { inBatches, type ReadTable, type TableBatch, type TableRow } from './table-batch.ts';
import { TextBuffer } from './text-buffer.ts';

/** Names of the rows, in the order of the matrices' rows. */
export const NPY_INDEX = 'npy/index.jsonl';

/**
 * NumPy: one matrix for each feature column and all parts, `npy/<column>.npy` (vectors [n, d], reduced
 * vectors [n, k], in their columns' types), which `numpy.load` can map into memory; beside them `npy/index.jsonl` with each
 * row's origin, target, other texts and view. A matrix of text would be as wide as the longest name, and known only at the end.
 *
 * The header holds the number of rows, and files are written once from start to end: so it must be known before.
 */
export async function openNpySink({ store, schema, rows }: SinkContext): Promise<Sink> {
  if (rows === undefined) {
    throw new RunError('Expected the number of rows before a NumPy file is begun but found none.');
  }
  const { columns } = schema;
  const names = columns.filter((column) => !isList(column));
  const numeric = numericColumns(columns);
  const files: OutputFile[] = [];
  const text = new TextBuffer();
  let written = 0;
  const create = async (name: string): Promise<OutputFile> => {
    const file = await store.create(name);
    files.push(file);
    return file;
  };
  const abort = async (): Promise<void> => {
    for (const file of files) await file.abort();
  };
  let index: OutputFile | undefined;
  const matrices: { readonly column: FeatureColumn; readonly file: OutputFile }[] = [];
  try {
    if (names.length > 0) index = await create(NPY_INDEX);
    for (const column of numeric) {
      const file = await create(`npy/${npyFileName(column.name)}`);
      await file.write(
        npyHeader(DESCRS[column.type as keyof typeof DESCRS], [rows, column.length]),
      );
      matrices.push({ column, file });
    }
  } catch (error) {
    await abort();
    throw error;
  }

  return {
    async beginPart() {},
    async write(batch) {
      written += batch.numRows;
      for (const { column, file } of matrices) await file.write(valueBytes(batch, column));
      if (index === undefined) return;
      const cells = names.map(({ name }) => ({ name, vector: batch.getChild(name) as Vector }));
      for (let row = 0; row < batch.numRows; row++) {
        const entries = cells.map(({ name, vector }) => [name, vector.get(row)] as const);
        text.utf8(`${JSON.stringify(Object.fromEntries(entries))}\n`);
        if (text.isFull) await text.flushTo(index);
      }
    },
    async endPart() {},
    async finish() {
      if (written !== rows) {
        throw new RunError(`Expected ${rows} rows in the NumPy files but found ${written}.`);
      }
      if (index !== undefined) await text.flushTo(index);
      const done: WrittenFile[] = [];
      for (const file of files) done.push(await file.commit());
      return done;
    },
    abort,
  };
}

/** Layers may have names that no file can have. */
export function npyFileName(column: string): string {
  return `${column.replace(/[^A-Za-z0-9._-]/g, '_')}.npy`;
}

/** [n, length], as they are in the batch. */
function valueBytes(batch: RecordBatch, column: FeatureColumn): Uint8Array {
  const { offsets, values } = listCells(batch, column);
  const part = values.subarray(offsets[0], offsets[batch.numRows]);
  return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
}

/** See ReadTable: the index and the matrices of the wanted columns, side by side. */
export async function* readNpyTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  const hasIndex = !columns.every(isList);
  const numeric = numericColumns(columns).map((column) => ({
    column: column.name,
    file: `npy/${npyFileName(column.name)}`,
  }));
  if (name !== (hasIndex ? NPY_INDEX : numeric[0].file)) return;
  const matrices = new Map<string, NpyMatrix>();
  for (const { column, file } of numeric) {
    matrices.set(column, await openNpyMatrix(files.stream(file), file));
  }
  const counts = new Set([...matrices.values()].map((matrix) => matrix.rows));
  if (counts.size > 1) {
    throw new RunError(`Expected as many rows in each matrix but found ${[...counts].join(', ')}.`);
  }
  const [count] = counts;
  const names = hasIndex ? textLines(files.stream(NPY_INDEX)) : undefined;
  const labels = labelColumns(columns).map((column) => column.name);
  yield* inBatches(rows(names, labels, matrices, count), columns);
}

async function* rows(
  names: AsyncGenerator<string> | undefined,
  labels: readonly string[],
  matrices: ReadonlyMap<string, NpyMatrix>,
  count: number | undefined,
): AsyncGenerator<TableRow> {
  for (let row = 0; ; row++) {
    const line = await names?.next();
    if (line === undefined ? row === count : line.done) {
      if (count !== undefined && row !== count) {
        throw new RunError(`Expected ${count} rows in ${NPY_INDEX} but found ${row}.`);
      }
      // Past the last row each matrix must end, too.
      for (const matrix of matrices.values()) await matrix.next();
      return;
    }
    const text = line === undefined ? {} : (JSON.parse(line.value!) as Record<string, unknown>);
    const cells: Record<string, unknown> = Object.create(null);
    for (const label of [...labels, VIEW]) cells[label] = text[label];
    for (const [column, matrix] of matrices) cells[column] = await matrix.next();
    yield { origin: text.origin, target: text.target, cells };
  }
}

/** One matrix of a run, read row by row. */
interface NpyMatrix {
  readonly rows: number;
  readonly length: number;
  /** The next row; undefined after the last, once it is sure that nothing follows. */
  next(): Promise<Float32Array | Float64Array | undefined>;
}

/** NumPy's names of the types, and what their bytes are read as. */
const DESCRS = { float16: '<f2', float32: '<f4', float64: '<f8', int32: '<i4' } as const;
const ARRAYS = { '<f2': Uint16Array, '<f4': Float32Array, '<f8': Float64Array } as const;

/** Far above what two numbers and a type take. */
const MAX_HEADER_BYTES = 1 << 16;
/** Longer than any vector: a row's memory is taken before its bytes are read. */
const MAX_LENGTH = 1 << 28;

/** Begins to read a matrix that the NumPy sink wrote. @throws RunError for other bytes */
async function openNpyMatrix(file: AsyncIterable<Uint8Array>, name: string): Promise<NpyMatrix> {
  const bytes = new ByteReader(file);
  const start = await take(bytes, 12);
  const headerBytes = start[6] === 1 ? 10 + start.readUInt16LE(8) : 12 + start.readUInt32LE(8);
  const rest = await take(bytes, Math.max(0, Math.min(headerBytes - 12, MAX_HEADER_BYTES)));
  const { descr, shape } = parseNpyHeader(Buffer.concat([start, rest]), name);
  const [rows = 0, length = 0] = shape;
  const Values = Object.hasOwn(ARRAYS, descr) ? ARRAYS[descr as keyof typeof ARRAYS] : undefined;
  // Rows without values take no bytes: a header could name any number of them.
  const isRow = length > 0 && length <= MAX_LENGTH;
  if (shape.length !== 2 || !isRow || Values === undefined) {
    throw new RunError(
      `Expected a matrix of floats for ${name} but found ${descr} ${shape.join('×')}.`,
    );
  }
  let row = 0;
  return {
    rows,
    length,
    async next() {
      if (row === rows) {
        await expectEnd(bytes, name);
        return undefined;
      }
      row += 1;
      // Chunks are cut anywhere, values are aligned.
      const { buffer } = await take(bytes, length * Values.BYTES_PER_ELEMENT);
      return widened(new Values(buffer as ArrayBuffer));
    },
  };
}

/** @throws RunError where the file ends before */
async function take(bytes: ByteReader, count: number): Promise<Buffer> {
  const target = Buffer.alloc(count);
  const filled = await bytes.fill(target);
  if (filled === count) return target;
  throw new RunError(`Expected ${count - filled} more bytes but found the end.`);
}

async function expectEnd(bytes: ByteReader, name: string): Promise<void> {
  if ((await bytes.fill(new Uint8Array(1))) === 0) return;
  throw new RunError(`Expected the end of ${name} after its last row but found more.`);
}
