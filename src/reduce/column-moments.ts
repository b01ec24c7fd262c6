import { createColumnKernel } from './kernels/column-kernel.ts';
import { type MomentsState, notFinite } from './moments.ts';

/**
 * Mean and sum of squared deviations of each column, in float64, by Welford's recurrence on the
 * rows less the first one: what the
 * scaler needs where a scatter matrix would be too large. Rows are taken one by one, so the result
 * depends on the rows and their order only. Memory: 28 dims bytes.
 */
export class ColumnMoments {
  readonly dims: number;
  count = 0;
  private readonly kernel: ReturnType<typeof createColumnKernel>;

  constructor(dims: number) {
    this.dims = dims;
    this.kernel = createColumnKernel(dims);
  }

  /**
   * Adds n rows.
   * @param values [n, dims] row-major.
   * @throws RunError naming the row (counted from the first ever added) of a value that is not finite.
   */
  add(values: Float32Array | Float64Array, n: number): void {
    const { dims, kernel } = this;
    if (this.count === 0 && n > 0) kernel.origin.set(values.subarray(0, dims));
    if (!kernel.add(values, n, this.count)) throw notFinite(values, dims, 0, this.count);
    this.count += n;
  }

  /** Adds the rows that `other` has seen, as if they came after these. */
  merge(other: ColumnMoments): void {
    const total = this.count + other.count;
    if (total === 0) return;
    const { origin, means, squares } = this.kernel;
    const theirs = other.kernel;
    if (this.count === 0) origin.set(theirs.origin);
    const weight = (this.count / total) * other.count;
    for (let j = 0; j < this.dims; j++) {
      const shift = theirs.origin[j]! - origin[j]!;
      const delta = shift + theirs.means[j]! - means[j]!;
      squares[j]! += theirs.squares[j]! + delta * delta * weight;
      means[j]! += delta * (other.count / total);
    }
    this.count = total;
  }

  /** Mean of each column, [dims]. */
  mean(): Float64Array {
    return this.kernel.means.map((mean, j) => this.kernel.origin[j]! + mean);
  }

  /** Sum of the squared deviations of each column from its mean, [dims]; exactly 0 where it is constant. */
  squares(): Float64Array {
    return this.kernel.squares.slice();
  }

  /** A copy of everything; no rows wait here. */
  state(): MomentsState {
    const { origin, means, squares } = this.kernel;
    return {
      count: this.count,
      origin: origin.slice(),
      mean: means.slice(),
      scatter: squares.slice(),
      waiting: new Float64Array(0),
    };
  }

  /** Goes on from a state: the same bits as without the interruption. */
  static fromState({ count, origin, mean, scatter }: MomentsState): ColumnMoments {
    const moments = new ColumnMoments(origin.length);
    moments.count = count;
    moments.kernel.origin.set(origin);
    moments.kernel.means.set(mean);
    moments.kernel.squares.set(scatter);
    return moments;
  }
}
