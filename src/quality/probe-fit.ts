import { setImmediate as nextTurn } from 'node:timers/promises';
import { createKernel, padToTile, TILE } from '../reduce/kernels.ts';
import type { Points } from './nearest.ts';

/** Rows in work at a time, and values of a row for which the weights stay near. */
const BLOCK = 128;
const DEPTH = 512;
/** The gradient's length where the search ends: as the penalty's curvature is 1, no weight is farther than that from its best value. */
const GRADIENT = 1e-6;

/**
 * The convex problem of one fold, by Newton's method; each step is solved by conjugate gradients, whose products with the
 * Hessian are a product of the rows with a direction and one back. Weights, gradients and directions are [width][padded
 * classes]; column `dims` is 1 in each row, and its weights have no penalty.
 */
export class ProbeFit {
  readonly #points: Points;
  readonly #labels: Int32Array;
  readonly #classes: number;
  /** Padded to tiles: classes, and columns with the constant one. */
  readonly #padded: number;
  readonly #width: number;
  readonly #penalty: number;
  readonly #mean: Float64Array;
  readonly #factor: Float64Array;
  readonly #kernel: ReturnType<typeof createKernel>;
  readonly #blocks: number;
  /** Places in the kernel's memory: rows [block][row / 4][width][4] and [block][width / 4][row][4], an operand, its product with rows of a block, a sum. */
  readonly #at: { rows: number; columns: number; operand: number; products: number; sum: number };
  readonly #weights: Float64Array;
  /** [rows][padded classes] */
  #logits: Float64Array;
  readonly #shares: Float64Array;
  passes = 0;

  constructor(points: Points, rows: readonly number[], labels: Int32Array, classes: number) {
    this.#points = points;
    this.#labels = labels;
    this.#classes = classes;
    this.#padded = padToTile(classes);
    this.#width = padToTile(points.dims + 1);
    this.#penalty = classes === 2 ? 2 : 1;
    [this.#mean, this.#factor] = standardisation(points, rows);
    this.#blocks = Math.ceil(rows.length / BLOCK);
    const size = this.#blocks * BLOCK * this.#width;
    const square = this.#width * this.#padded;
    const operand = 2 * size;
    const products = operand + square;
    const sum = products + BLOCK * this.#padded;
    this.#at = { rows: 0, columns: size, operand, products, sum };
    this.#kernel = createKernel(sum + square);
    this.#weights = new Float64Array(square);
    this.#logits = new Float64Array(this.#blocks * BLOCK * this.#padded);
    this.#shares = new Float64Array(this.#logits.length);
    for (let block = 0; block < this.#blocks; block++) {
      const of = rows.slice(block * BLOCK, (block + 1) * BLOCK);
      this.#pack(of, this.#at.rows + block * BLOCK * this.#width);
      this.#turn(block);
    }
  }

  /** @returns whether the gradient became as small as wanted */
  async run(mostPasses: number, signal: AbortSignal): Promise<boolean> {
    let loss = this.#share(this.#logits);
    let gradient = await this.#gradient(signal);
    const begun = length(gradient);
    while (this.passes < mostPasses) {
      const size = length(gradient);
      if (size <= GRADIENT) return true;
      const tolerance = Math.min(0.1, Math.sqrt(size / begun));
      const direction = await this.#solve(gradient, tolerance, mostPasses, signal);
      const change = new Float64Array(this.#logits.length);
      await this.#multiply(direction, signal, (products, block) =>
        change.set(products, block * products.length),
      );
      // The first share of the step that lowers the loss as its slope promises; where that is less than rounding, all of it.
      const slope = dot(gradient, direction);
      const before = this.#logits;
      for (let share = 1; ; share /= 2) {
        this.#logits = before.map((logit, i) => logit + share * change[i]);
        add(this.#weights, direction, share);
        const now = this.#share(this.#logits);
        if (now <= loss + 1e-4 * share * slope || -share * slope <= 1e-9 * Math.abs(loss)) {
          loss = now;
          break;
        }
        add(this.#weights, direction, -share);
      }
      gradient = await this.#gradient(signal);
    }
    return length(gradient) <= GRADIENT;
  }

  /** The class of each row with the largest logit, the first of equal ones. */
  predict(rows: readonly number[]): number[] {
    const { memory } = this.#kernel;
    const { rows: at, operand, products } = this.#at;
    memory.set(this.#weights, operand);
    const best: number[] = [];
    for (let first = 0; first < rows.length; first += BLOCK) {
      const of = rows.slice(first, first + BLOCK);
      this.#pack(of, at);
      this.#project(at);
      for (let i = 0; i < of.length; i++) {
        const from = products + i * this.#padded;
        let most = 0;
        for (let c = 1; c < this.#classes; c++)
          if (memory[from + c] > memory[from + most]) most = c;
        best.push(most);
      }
    }
    return best;
  }

  /** Standardised rows, the last column 1, as [row / 4][width][4]; zeros where the block has no row. */
  #pack(rows: readonly number[], at: number): void {
    const { values, dims } = this.#points;
    const { memory } = this.#kernel;
    const width = this.#width;
    memory.fill(0, at, at + BLOCK * width);
    rows.forEach((row, i) => {
      const to = at + (i - (i % TILE)) * width + (i % TILE);
      for (let j = 0; j < dims; j++) {
        memory[to + j * TILE] = (values[row * dims + j] - this.#mean[j]) * this.#factor[j];
      }
      memory[to + dims * TILE] = 1;
    });
  }

  /** The same block as [width / 4][row][4]. */
  #turn(block: number): void {
    const { memory } = this.#kernel;
    const width = this.#width;
    const from = this.#at.rows + block * BLOCK * width;
    const to = this.#at.columns + block * BLOCK * width;
    for (let i = 0; i < BLOCK; i++) {
      const row = from + (i - (i % TILE)) * width + (i % TILE);
      for (let j = 0; j < width; j++) {
        memory[to + (j - (j % TILE)) * BLOCK + i * TILE + (j % TILE)] = memory[row + j * TILE];
      }
    }
  }

  /** Products of a block's rows with the operand: [BLOCK][padded classes]. */
  #project(rows: number): void {
    const { memory, multiply } = this.#kernel;
    const { operand, products } = this.#at;
    const [width, padded] = [this.#width, this.#padded];
    memory.fill(0, products, products + BLOCK * padded);
    for (let p = 0; p < width; p += DEPTH) {
      const depth = Math.min(DEPTH, width - p);
      for (let i = 0; i < BLOCK; i += TILE) {
        const [a, b, c] = [
          rows + i * width + p * TILE,
          operand + p * padded,
          products + i * padded,
        ];
        multiply(a, TILE, b, padded, TILE, padded / TILE, depth, c, padded);
      }
    }
  }

  /**
   * Products of all rows with weights, block by block.
   * @param change sees those of a block and may replace them: then they are multiplied with the rows and added up
   * @returns that sum, where `isBack`
   */
  async #multiply(
    weights: Float64Array | undefined,
    signal: AbortSignal,
    change: (products: Float64Array, block: number) => void,
    isBack = false,
  ): Promise<Float64Array> {
    const { memory, multiply } = this.#kernel;
    const { columns, operand, products, sum } = this.#at;
    const [width, padded] = [this.#width, this.#padded];
    if (weights !== undefined) memory.set(weights, operand);
    memory.fill(0, sum);
    const ofBlock = memory.subarray(products, products + BLOCK * padded);
    for (let block = 0; block < this.#blocks; block++) {
      if (weights !== undefined) this.#project(block * BLOCK * width);
      change(ofBlock, block);
      for (let j = 0; isBack && j < width; j += TILE) {
        const a = columns + (block * width + j) * BLOCK;
        const c = sum + j * padded;
        multiply(a, TILE, products, padded, TILE, padded / TILE, BLOCK, c, padded);
      }
    }
    this.passes += 0.5 * (Number(weights !== undefined) + Number(isBack));
    await nextTurn();
    signal.throwIfAborted();
    return memory.slice(sum);
  }

  /** Shares of the classes in each row by its logits. @returns the loss */
  #share(logits: Float64Array): number {
    const [classes, padded] = [this.#classes, this.#padded];
    const shares = this.#shares;
    let loss = 0;
    this.#labels.forEach((label, i) => {
      const from = i * padded;
      let most = logits[from];
      for (let c = 1; c < classes; c++) if (logits[from + c] > most) most = logits[from + c];
      let sum = 0;
      for (let c = 0; c < classes; c++) {
        const share = Math.exp(logits[from + c] - most);
        shares[from + c] = share;
        sum += share;
      }
      for (let c = 0; c < classes; c++) shares[from + c] /= sum;
      loss += Math.log(sum) + most - logits[from + label];
    });
    return loss + (this.#penalty / 2) * this.#square(this.#weights);
  }

  #square(weights: Float64Array): number {
    const end = this.#points.dims * this.#padded;
    let sum = 0;
    for (let i = 0; i < end; i++) sum += weights[i] * weights[i];
    return sum;
  }

  async #gradient(signal: AbortSignal): Promise<Float64Array> {
    const [padded, labels] = [this.#padded, this.#labels];
    const residuals = (products: Float64Array, block: number): void => {
      const first = block * BLOCK;
      products.set(this.#shares.subarray(first * padded, (first + BLOCK) * padded));
      const end = Math.min(BLOCK, labels.length - first);
      for (let i = 0; i < end; i++) products[i * padded + labels[first + i]] -= 1;
    };
    return this.#withPenalty(
      await this.#multiply(undefined, signal, residuals, true),
      this.#weights,
    );
  }

  async #hessian(direction: Float64Array, signal: AbortSignal): Promise<Float64Array> {
    const [classes, padded, shares] = [this.#classes, this.#padded, this.#shares];
    const curve = (products: Float64Array, block: number): void => {
      const base = block * BLOCK * padded;
      for (let row = 0; row < BLOCK * padded; row += padded) {
        let mean = 0;
        for (let c = row; c < row + classes; c++) mean += shares[base + c] * products[c];
        for (let c = row; c < row + classes; c++)
          products[c] = shares[base + c] * (products[c] - mean);
      }
    };
    return this.#withPenalty(await this.#multiply(direction, signal, curve, true), direction);
  }

  #withPenalty(sum: Float64Array, weights: Float64Array): Float64Array {
    const end = this.#points.dims * this.#padded;
    for (let i = 0; i < end; i++) sum[i] += this.#penalty * weights[i];
    return sum;
  }

  /** The direction d with (Hessian) d = -gradient, as far as wanted, by conjugate gradients scaled by the Hessian's diagonal. */
  async #solve(
    gradient: Float64Array,
    tolerance: number,
    mostPasses: number,
    signal: AbortSignal,
  ): Promise<Float64Array> {
    const scale = this.#diagonal();
    const direction = new Float64Array(gradient.length);
    const residual = gradient.map((value) => -value);
    const most = tolerance * length(gradient);
    let scaled = residual.map((value, i) => value * scale[i]);
    const search = scaled.slice();
    let rho = dot(residual, scaled);
    while (this.passes < mostPasses) {
      const product = await this.#hessian(search, signal);
      const alpha = rho / dot(search, product);
      if (!Number.isFinite(alpha)) break;
      add(direction, search, alpha);
      add(residual, product, -alpha);
      if (length(residual) <= most) break;
      scaled = residual.map((value, j) => value * scale[j]);
      const next = dot(residual, scaled);
      const beta = next / rho;
      for (let j = 0; j < search.length; j++) search[j] = scaled[j] + beta * search[j];
      rho = next;
    }
    return direction;
  }

  /** The inverse of the Hessian's diagonal, as if the squares in a column did not depend on the class. */
  #diagonal(): Float64Array {
    const [padded, width, { dims }] = [this.#padded, this.#width, this.#points];
    const sums = new Float64Array(padded);
    for (let i = 0; i < this.#labels.length * padded; i++) {
      sums[i % padded] += this.#shares[i] * (1 - this.#shares[i]);
    }
    const scale = new Float64Array(width * padded);
    for (let j = 0; j <= dims; j++) {
      for (let c = 0; c < this.#classes; c++) {
        const curvature = sums[c] + (j < dims ? this.#penalty : 0);
        scale[j * padded + c] = 1 / (curvature || 1);
      }
    }
    return scale;
  }
}

/** Mean of each column, and the inverse of its standard deviation: 0 for a constant one. */
function standardisation(
  { values, dims }: Points,
  rows: readonly number[],
): [Float64Array, Float64Array] {
  const mean = new Float64Array(dims);
  const squares = new Float64Array(dims);
  for (const row of rows)
    for (let j = 0; j < dims; j++) mean[j] += values[row * dims + j] / rows.length;
  for (const row of rows) {
    for (let j = 0; j < dims; j++)
      squares[j] += (values[row * dims + j] - mean[j]) ** 2 / rows.length;
  }
  const factor = squares.map((square, j) => {
    const isConstant = square <= 1e-15 * rows.length * mean[j] ** 2;
    return isConstant ? 0 : 1 / Math.sqrt(square);
  });
  return [mean, factor];
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function length(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

function add(to: Float64Array, of: Float64Array, share: number): void {
  for (let i = 0; i < to.length; i++) to[i] += share * of[i];
}
