import { RunError } from '../../errors.ts';
import type { FeatureColumn } from '../../export/column-names.ts';
import { bestFormat, filesOfFormat, tableReader } from '../../export/formats.ts';
import { expectNoFaults } from '../../export/table-batch.ts';
import type { FormatName } from '../../options/extract-options.ts';
import { intactFiles } from '../../run/intact-files.ts';
import type { OutputStore, WrittenFile } from '../../storage/output-store.ts';

/** Neighbouring rows of a finished table. */
export interface StoredBatch {
  readonly count: number;
  /** Undefined where the table has no such column. */
  readonly origins: readonly string[] | undefined;
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
}: Omit<StoredTable, 'output'>): FormatName | undefined {
  const kept = columns.filter(({ kind }) => kind === 'vector');
  return kept.length < lengths.length ? undefined : bestFormat(files, { isExact: true });
}

/**
 * All rows of a finished table in order. A file is checked against its SHA-256 before any row of it is
 * given out.
 *
 * @throws RunError for a file that is not the one the run wrote, or has not the rows it should have
 */
export async function* storedRows(table: StoredTable): AsyncGenerator<StoredBatch> {
  const format = formatWithVectors(table);
  if (format === undefined) return;
  const read = await tableReader(format);
  const files = intactFiles(table.output, table.files);
  const columns = table.columns.filter(({ kind }) => kind === 'origin' || kind === 'vector');
  const vectors = columns.filter(({ kind }) => kind === 'vector');
  vectors.sort((a, b) => a.output - b.output);
  for (const { name } of filesOfFormat(table.files, format)) {
    for await (const batch of read(files, name, columns)) {
      expectNoFaults(batch, name);
      yield {
        count: batch.n,
        origins: batch.origins,
        vectors: vectors.map((column) => batch.numbers.get(column.name) as Float32Array),
      };
    }
  }
}

/** Reads single rows out of a streamed table; rows are asked for in ascending order. */
export class RowReader {
  readonly #batches: AsyncGenerator<StoredBatch>;
  #batch: StoredBatch | undefined;
  /** Number of the first row of #batch. */
  #first = 0;

  constructor(batches: AsyncGenerator<StoredBatch>) {
    this.#batches = batches;
  }

  /**
   * Copies the vectors of a row of the table to place `at` of `outputs`.
   *
   * @param wanted.outputs for each output float32 [n, length]
   * @throws RunError when the table has no such row, or it is another image's
   */
  async copyRow(wanted: {
    readonly row: number;
    readonly origin: string;
    readonly outputs: readonly Float32Array[];
    readonly at: number;
  }): Promise<void> {
    const { row, origin, outputs, at } = wanted;
    while (this.#batch === undefined || row >= this.#first + this.#batch.count) {
      this.#first += this.#batch?.count ?? 0;
      const next = await this.#batches.next();
      if (next.done) throw wrongRow(origin, row, `only ${this.#first} rows`);
      this.#batch = next.value;
    }
    const { count, origins, vectors } = this.#batch;
    const place = row - this.#first;
    const found = origins?.[place] ?? origin;
    if (found !== origin) throw wrongRow(origin, row, `the row of ${found}`);
    vectors.forEach((values, output) => {
      const length = values.length / count;
      outputs[output].set(values.subarray(place * length, (place + 1) * length), at * length);
    });
  }
}

function wrongRow(origin: string, row: number, found: string): RunError {
  return new RunError(
    `Expected ${origin} in row ${row} of the finished table but found ${found}; rows would be mixed up.`,
    { fix: 'Give --overwrite to compute the table again.' },
  );
}
