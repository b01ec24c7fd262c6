import { createColumnKernel } from './kernels/column-kernel.ts';
import { notFinite } from './moments.ts';

/**
 * Mean and sum of squared deviations of each column, in float64, by Welford's recurrence on the rows
 * less the first one: what the scaler needs where a scatter matrix would be too large. Rows are
 * taken one by one, so the result depends on the rows and their order only. Memory: 28 dims bytes.
 */
export class ColumnMoments {
  readonly dims: number;
  count = 0;
  readonly #kernel: ReturnType<typeof createColumnKernel>;

  constructor(dims: number) {
    this.dims = dims;
    this.#kernel = createColumnKernel(dims);
  }

  /**
   * Adds n rows.
   * @param values float32 [n, dims] row-major.
   * @throws RunError naming the row (counted from the first ever added) of a value that is not finite.
   */
  add(values: Float32Array, n: number): void {
    const { dims } = this;
    const kernel = this.#kernel;
    if (this.count === 0 && n > 0) kernel.origin.set(values.subarray(0, dims));
    if (!kernel.add(values, n, this.count)) throw notFinite(values, dims, 0, this.count);
    this.count += n;
  }

  /** Mean of each column, [dims]. */
  mean(): Float64Array {
    return this.#kernel.means.map((mean, j) => this.#kernel.origin[j] + mean);
  }

  /** Sum of the squared deviations of each column from its mean, [dims]; exactly 0 where it is constant. */
  squares(): Float64Array {
    return this.#kernel.squares.slice();
  }
}
