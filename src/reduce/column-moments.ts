import { type MomentsState, notFinite } from './moments.ts';

/**
 * Mean and sum of squared deviations of each column, in float64, by Welford's recurrence on the
 * rows less the first one: what the
 * scaler needs where a scatter matrix would be too large. Rows are taken one by one, so the result
 * depends on the rows and their order only. Memory: 16 dims bytes.
 */
export class ColumnMoments {
  readonly dims: number;
  count = 0;
  private readonly origin: Float64Array;
  private readonly means: Float64Array;
  private readonly sums: Float64Array;

  constructor(dims: number) {
    this.dims = dims;
    this.origin = new Float64Array(dims);
    this.means = new Float64Array(dims);
    this.sums = new Float64Array(dims);
  }

  /**
   * Adds n rows.
   * @param values [n, dims] row-major.
   * @throws RunError naming the row (counted from the first ever added) of a value that is not finite.
   */
  add(values: Float32Array | Float64Array, n: number): void {
    const { dims, origin, means, sums } = this;
    if (this.count === 0 && n > 0) origin.set(values.subarray(0, dims));
    for (let i = 0; i < n; i++) {
      const share = 1 / (this.count + 1);
      const row = i * dims;
      let check = 0;
      for (let j = 0; j < dims; j++) {
        const value = values[row + j]! - origin[j]!;
        const delta = value - means[j]!;
        const mean = means[j]! + delta * share;
        check += value - value;
        sums[j]! += delta * (value - mean);
        means[j] = mean;
      }
      if (!Number.isFinite(check)) throw notFinite(values, dims, i, this.count - i);
      this.count++;
    }
  }

  /** Adds the rows that `other` has seen, as if they came after these. */
  merge(other: ColumnMoments): void {
    const total = this.count + other.count;
    if (total === 0) return;
    if (this.count === 0) this.origin.set(other.origin);
    const weight = (this.count / total) * other.count;
    for (let j = 0; j < this.dims; j++) {
      const shift = other.origin[j]! - this.origin[j]!;
      const delta = shift + other.means[j]! - this.means[j]!;
      this.sums[j]! += other.sums[j]! + delta * delta * weight;
      this.means[j]! += delta * (other.count / total);
    }
    this.count = total;
  }

  /** Mean of each column, [dims]. */
  mean(): Float64Array {
    return this.means.map((mean, j) => this.origin[j]! + mean);
  }

  /** Sum of the squared deviations of each column from its mean, [dims]; exactly 0 where it is constant. */
  squares(): Float64Array {
    return this.sums.slice();
  }

  /** A copy of everything; no rows wait here. */
  state(): MomentsState {
    const { count, origin, means, sums } = this;
    const waiting = new Float64Array(0);
    return { count, origin: origin.slice(), mean: means.slice(), scatter: sums.slice(), waiting };
  }

  /** Goes on from a state: the same bits as without the interruption. */
  static fromState({ count, origin, mean, scatter }: MomentsState): ColumnMoments {
    const moments = new ColumnMoments(origin.length);
    moments.count = count;
    moments.origin.set(origin);
    moments.means.set(mean);
    moments.sums.set(scatter);
    return moments;
  }
}
