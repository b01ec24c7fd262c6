import type { RecordBatch } from 'apache-arrow';
import { RunError } from '../../errors.ts';
import type { FeatureColumn } from '../../export/column-names.ts';
import { readIntact } from '../../run/intact-files.ts';
import type { OutputStore, WrittenFile } from '../../storage/output-store.ts';
import { textLines } from '../../storage/text-lines.ts';

/** Neighbouring rows of a finished table. */
export interface StoredBatch {
  readonly count: number;
  /** Undefined where the table has no such column. */
  readonly origins: ((row: number) => string) | undefined;
  /** For each output float32 [count, length]. */
  readonly vectors: readonly Float32Array[];
}

export interface StoredTable {
  readonly output: OutputStore;
  /** Every file of the run, in the order written, as run.json lists them. */
  readonly files: readonly WrittenFile[];
  /** Columns of the table. */
  readonly columns: readonly FeatureColumn[];
  /** Values in each vector, by output. */
  readonly lengths: readonly number[];
}

/** The format to read vectors back from, bit for bit; undefined where the table does not hold them all. */
export function formatWithVectors({
  files,
  columns,
  lengths,
}: Omit<StoredTable, 'output'>): StoredFormat | undefined {
  const kept = new Set(columns.filter(({ kind }) => kind === 'vector').map((c) => c.output));
  if (kept.size < lengths.length) return undefined;
  return STORED_FORMATS.find((format) => partsOf(files, format).length > 0);
}

/**
 * Best first. JSON holds the shortest decimal of each float32, which reads back as the same float32. CSV holds
 * reduced vectors; NumPy's matrices are one file for all rows, which cannot be checked before it is read.
 */
const STORED_FORMATS = ['parquet', 'feather', 'json'] as const;
export type StoredFormat = (typeof STORED_FORMATS)[number];

/**
 * All rows of a finished table in order. A file is checked against its SHA-256 before any row of it is
 * given out; one file is in memory at once.
 *
 * @throws RunError for a file that is not the one the run wrote, or has not the rows it should have
 */
export async function* storedRows(table: StoredTable): AsyncGenerator<StoredBatch> {
  const format = formatWithVectors(table);
  if (format === undefined) return;
  for (const file of partsOf(table.files, format)) {
    const bytes = await readIntact(table.output, file);
    yield* format === 'json'
      ? jsonBatches(table, file, bytes)
      : arrowBatches(table, file, await openArrow(format, file, bytes));
  }
}

function partsOf(files: readonly WrittenFile[], format: string): WrittenFile[] {
  return files.filter(({ name }) => name.startsWith(`${format}/`));
}

async function openArrow(
  format: 'parquet' | 'feather',
  { name }: WrittenFile,
  bytes: Buffer,
): Promise<Iterable<RecordBatch>> {
  return format === 'feather'
    ? (await import('../../export/feather-rows.ts')).readFeatherBatches(bytes, name)
    : (await import('../../export/parquet/parquet-rows.ts')).readParquetBatches(bytes, name);
}

async function* arrowBatches(
  { columns, lengths }: StoredTable,
  file: WrittenFile,
  batches: Iterable<RecordBatch>,
): AsyncGenerator<StoredBatch> {
  const names = vectorNames(columns, lengths);
  for (const batch of batches) {
    if (batch.numRows === 0) continue;
    const origins = batch.getChild('origin');
    yield {
      count: batch.numRows,
      origins: origins === null ? undefined : (row) => origins.get(row) as string,
      vectors: names.map((name, output) => listValues(batch, name, lengths[output]!, file)),
    };
  }
}

/** float32 [rows, length]: a view of a list column whose lists all have that length. */
function listValues(
  batch: RecordBatch,
  name: string,
  length: number,
  file: WrittenFile,
): Float32Array {
  const list = batch.getChild(name)?.data[0];
  if (list === undefined) expectLength(0, length, name, file);
  const offsets: Int32Array = list!.valueOffsets;
  for (let row = 0; row < batch.numRows; row++) {
    expectLength(offsets[row + 1]! - offsets[row]!, length, name, file);
  }
  return list!.children[0]!.values.subarray(offsets[0], offsets[batch.numRows]);
}

/** Lines of JSON parsed at once. */
const BATCH_ROWS = 256;

async function* jsonBatches(
  { columns, lengths }: StoredTable,
  file: WrittenFile,
  bytes: Buffer,
): AsyncGenerator<StoredBatch> {
  const names = vectorNames(columns, lengths);
  let rows: Record<string, unknown>[] = [];
  const toBatch = (): StoredBatch => {
    const batch = rows;
    rows = [];
    return {
      count: batch.length,
      origins:
        typeof batch[0]?.origin === 'string' ? (row) => batch[row]!.origin as string : undefined,
      vectors: names.map((name, output) => {
        const length = lengths[output]!;
        const values = new Float32Array(batch.length * length);
        batch.forEach((row, i) => {
          const cell = row[name] as number[] | undefined;
          expectLength(cell?.length ?? 0, length, name, file);
          values.set(cell!, i * length);
        });
        return values;
      }),
    };
  };
  for await (const line of textLines(inPieces(bytes))) {
    rows.push(JSON.parse(line));
    if (rows.length === BATCH_ROWS) yield toBatch();
  }
  if (rows.length > 0) yield toBatch();
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1 << 20) yield bytes.subarray(at, at + (1 << 20));
}

/** The column of each output's vectors. */
function vectorNames(columns: readonly FeatureColumn[], lengths: readonly number[]): string[] {
  return lengths.map(
    (_, output) => columns.find((c) => c.kind === 'vector' && c.output === output)!.name,
  );
}

function expectLength(found: number, length: number, name: string, file: WrittenFile): void {
  if (found === length) return;
  throw new RunError(
    `Expected ${length} values in each cell of ${name} in ${file.name} but found ${found}.`,
    { fix: 'Give --overwrite to compute the table anew.' },
  );
}
