import { RunError } from '../../errors.ts';
import type { StoredBatch } from './stored-rows.ts';

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
