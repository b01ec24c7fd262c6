import { RunError } from '../errors.ts';
import { TILE } from './kernels.ts';
import { ScatterMatrix } from './symmetric-matrix.ts';

/** Rows gathered before they are folded into the sums; part of the result's definition. */
const PANEL_ROWS = 256;

/**
 * Mean and scatter matrix (the sum of the outer products of the deviations from the mean) of rows
 * that come one block after the other, in float64.
 *
 * Rows are taken relative to the first one and gathered into panels of 256, each centred on its own
 * mean, so nothing cancels however far the mean is from zero; two sets of rows A and B are joined by
 * Chan, Golub and LeVeque's formula:
 *   S = S_A + S_B + (n_A n_B / n) (mean_B - mean_A) (mean_B - mean_A)^T
 * whose last term is one more row of the panel. The result depends on the rows and their order only,
 * not on how they were cut into blocks. Memory: 8 dims^2 + 2072 dims bytes.
 */
export class Moments {
  readonly dims: number;
  readonly #sums: ScatterMatrix;
  readonly #origin: Float64Array;
  readonly #means: Float64Array;
  /** Rows folded into the sums, without those that wait in the panel. */
  #folded = 0;
  #waiting = 0;

  constructor(dims: number) {
    this.dims = dims;
    this.#sums = new ScatterMatrix(dims, PANEL_ROWS + 1);
    this.#origin = new Float64Array(dims);
    this.#means = new Float64Array(dims);
  }

  /** Rows seen so far. */
  get count(): number {
    return this.#folded + this.#waiting;
  }

  /**
   * Adds n rows.
   * @param values [n, dims] row-major.
   * @throws RunError naming the row (counted from the first ever added) of a value that is not finite;
   *   the rows of this call before it may have been added.
   */
  add(values: Float32Array | Float64Array, n: number): void {
    if (this.count === 0 && n > 0) this.#origin.set(values.subarray(0, this.dims));
    let done = 0;
    while (done < n) {
      const rows = Math.min(n - done, PANEL_ROWS - this.#waiting);
      if (!Number.isFinite(this.#fillPanel(values, done, rows))) {
        throw notFinite(values, this.dims, done, this.count - done);
      }
      done += rows;
      this.#waiting += rows;
      if (this.#waiting === PANEL_ROWS) this.#foldPanel();
    }
  }

  /** Mean of each column, [dims]. */
  mean(): Float64Array {
    this.#foldPanel();
    return this.#means.map((mean, i) => this.#origin[i] + mean);
  }

  /** Sum of the squared deviations of each column from its mean, [dims]; exactly 0 where it is constant. */
  squares(): Float64Array {
    this.#foldPanel();
    return this.#sums.diagonal();
  }

  /**
   * The scatter matrix times vectors.
   * @param block [b, dims], one vector a row.
   * @returns [b, dims]
   */
  applyScatter(block: Float64Array, b: number): Float64Array {
    this.#foldPanel();
    return this.#sums.apply(block, b);
  }

  /** Copies rows into the panel. Returns NaN when a value is not finite, else 0. */
  #fillPanel(values: Float32Array | Float64Array, from: number, rows: number): number {
    const { dims } = this;
    const waiting = this.#waiting;
    const origin = this.#origin;
    const sums = this.#sums;
    const { memory } = sums;
    let check = 0;
    // Column by column of tiles: the rows' cache lines are used up before the next ones come in.
    for (let j = 0; j < dims; j++) {
      const shift = origin[j];
      let to = sums.panelAt(j) + waiting * TILE;
      let at = from * dims + j;
      for (let i = 0; i < rows; i++) {
        const value = values[at] - shift;
        check += value - value;
        memory[to] = value;
        to += TILE;
        at += dims;
      }
    }
    return check;
  }

  #foldPanel(): void {
    const rows = this.#waiting;
    if (rows === 0) return;
    this.#centrePanel(rows);
    // With no rows before these, the joining row is zero.
    this.#sums.addPanel(this.#folded === 0 ? rows : rows + 1);
    this.#folded += rows;
    this.#waiting = 0;
  }

  /** Turns the panel into deviations from its mean, adds the joining row and moves the means on. */
  #centrePanel(rows: number): void {
    const means = this.#means;
    const folded = this.#folded;
    const sums = this.#sums;
    const { memory } = sums;
    const total = folded + rows;
    const weight = Math.sqrt((folded / total) * rows);
    for (let j = 0; j < this.dims; j++) {
      const start = sums.panelAt(j);
      const end = start + rows * TILE;
      let sum = 0;
      for (let at = start; at < end; at += TILE) sum += memory[at];
      const mean = sum / rows;
      for (let at = start; at < end; at += TILE) memory[at] -= mean;
      const delta = mean - means[j];
      memory[end] = weight * delta;
      means[j] += delta * (rows / total);
    }
  }
}

/** The error for the first value of `values` from row `from` on that is NaN or infinite. */
export function notFinite(
  values: Float32Array | Float64Array,
  dims: number,
  from: number,
  offset: number,
): RunError {
  let at = from * dims;
  while (Number.isFinite(values[at])) at++;
  const row = offset + Math.floor(at / dims);
  return new RunError(
    `Expected finite features for row ${row} but found ${values[at]} at value ${at % dims}.`,
    { fix: 'Look at the image of that row and at the weights: the network overflowed on it.' },
  );
}
