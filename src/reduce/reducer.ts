import { firstNotFinite } from '../first-not-finite.ts';
import { createKernel, padToTile, TILE, type TileKernel } from './kernels.ts';
import { notFinite } from './moments.ts';

/** What a fit leaves; arrays are float64. */
export interface FittedReducer {
  /** Values in a feature vector. */
  readonly dims: number;
  /** Components. */
  readonly k: number;
  /** Rows it was fitted on. */
  readonly count: number;
  /** Whether vectors are standardised before the PCA. */
  readonly standardize: boolean;
  /** Whether what is projected has its mean subtracted first (scikit-learn) or not (Spark). */
  readonly center: boolean;
  /** [dims], what the scaler subtracts; zeros without one. */
  readonly scalerMean: Float64Array;
  /** [dims], what the scaler divides by, sample standard deviations (n - 1); ones without one. A value of 0 scales to 0. */
  readonly scalerStd: Float64Array;
  /** [dims], what is subtracted after the scaler; zeros where the scaler did it, or with `center: false`. */
  readonly pcaMean: Float64Array;
  /** [k, dims], orthonormal rows; the entry of largest size in each is positive. Zeros beyond the rank. */
  readonly components: Float64Array;
  /** [k], variance along each component (n - 1), falling; 0 beyond the rank. */
  readonly explainedVariance: Float64Array;
  /** [k], the same as a share of `totalVariance` (Spark's explainedVariance). */
  readonly explainedVarianceRatio: Float64Array;
  /** Sum of the variances of all scaled columns. */
  readonly totalVariance: number;
  /** Largest |C v - variance v| of a component, as a share of the largest variance: how exact they are. */
  readonly residual: number;
}

/** A fitted scaler and PCA: `((x - scalerMean) / scalerStd - pcaMean) components^T`. */
export class Reducer implements FittedReducer {
  readonly dims!: number;
  readonly k!: number;
  readonly count!: number;
  readonly standardize!: boolean;
  readonly center!: boolean;
  readonly scalerMean!: Float64Array;
  readonly scalerStd!: Float64Array;
  readonly pcaMean!: Float64Array;
  readonly components!: Float64Array;
  readonly explainedVariance!: Float64Array;
  readonly explainedVarianceRatio!: Float64Array;
  readonly totalVariance!: number;
  readonly residual!: number;
  #projector: Projector | undefined;

  constructor(fitted: FittedReducer) {
    Object.assign(this, fitted);
  }

  /**
   * Reduces n vectors. A row's result does not depend on the rows beside it.
   * @param values float32 [n, dims], row-major.
   * @param firstRow number of the first row, for messages.
   * @returns float64 [n, k], row-major.
   * @throws RunError naming the row of a value that is not finite.
   */
  transform(values: Float32Array, n: number, firstRow = 0): Float64Array {
    this.#projector ??= new Projector(scalingOf(this), this.k).load(this.components);
    const reduced = this.#projector.project(values, n);
    const bad = firstNotFinite(reduced);
    if (bad >= 0) throw notFinite(values, this.dims, Math.floor(bad / this.k), firstRow);
    return reduced;
  }

  /**
   * The input of `transform`, as far as k components hold it: `(z components + pcaMean) scalerStd + scalerMean`.
   * @param reduced float64 [n, k], row-major.
   * @returns float64 [n, dims], row-major.
   */
  inverse(reduced: Float64Array, n: number): Float64Array {
    const { dims, k, components, pcaMean, scalerMean, scalerStd } = this;
    const values = new Float64Array(n * dims);
    for (let row = 0; row < n; row++) {
      const out = values.subarray(row * dims, (row + 1) * dims);
      out.set(pcaMean);
      for (let c = 0; c < k; c++) {
        const weight = reduced[row * k + c];
        const at = c * dims;
        for (let j = 0; j < dims; j++) out[j] += weight * components[at + j];
      }
      for (let j = 0; j < dims; j++) out[j] = out[j] * scalerStd[j] + scalerMean[j];
    }
    return values;
  }
}

/** Scaler and centring as one shift and one factor for each column. */
function scalingOf(fitted: FittedReducer): Scaling {
  const { standardize, scalerMean, scalerStd, pcaMean } = fitted;
  return standardize
    ? { shift: scalerMean, scale: inverses(scalerStd) }
    : { shift: pcaMean, scale: scalerStd };
}

/** 1 / value, and 0 for 0: a constant column scales to 0. */
export function inverses(values: Float64Array): Float64Array {
  return values.map((value) => (value === 0 ? 0 : 1 / value));
}

/** Rows and values of a row that are copied at a time: 256 KB, which a second-level cache holds. */
const ROWS = 64;
const CHUNK = 512;

/** What is done to a value before it is projected: (value - shift) * scale. */
export interface Scaling {
  /** float64 [dims] */
  readonly shift: Float64Array;
  /** float64 [dims] */
  readonly scale: Float64Array;
}

/**
 * Projects scaled rows on fixed vectors, in float64. Each row's result depends on that row only, not
 * on its neighbours in the call. Memory: 8 dims b bytes and 0.3 MB.
 */
class Projector {
  readonly dims: number;
  /** Number of vectors. */
  readonly b: number;
  readonly #scaling: Scaling;
  readonly #kernel: TileKernel;
  /** Vectors at 0 as [width / 4][dims][4], a piece of the rows as [ROWS / 4][CHUNK][4], then [ROWS, width] sums. */
  readonly #rowsAt: number;
  readonly #sumsAt: number;
  readonly #width: number;

  /** @param b number of vectors that `load` brings. */
  constructor(scaling: Scaling, b: number) {
    const dims = scaling.shift.length;
    this.dims = dims;
    this.b = b;
    this.#scaling = scaling;
    this.#width = padToTile(b);
    this.#rowsAt = dims * this.#width;
    this.#sumsAt = this.#rowsAt + ROWS * CHUNK;
    this.#kernel = createKernel(this.#sumsAt + ROWS * this.#width);
  }

  /**
   * Takes the vectors to project on.
   * @param vectors float64 [b, dims]
   */
  load(vectors: Float64Array): this {
    const { dims, b } = this;
    const { memory } = this.#kernel;
    for (let v = 0; v < b; v++) {
      const at = (v >> 2) * dims * TILE + (v & 3);
      for (let j = 0; j < dims; j++) memory[at + j * TILE] = vectors[v * dims + j];
    }
    return this;
  }

  /**
   * @param values float32 [n, dims], row-major.
   * @returns float64 [n, b]; NaN or infinite where a value of the row is.
   */
  project(values: Float32Array, n: number): Float64Array {
    const { b } = this;
    const width = this.#width;
    const sumsAt = this.#sumsAt;
    const { memory } = this.#kernel;
    const out = new Float64Array(n * b);
    for (let first = 0; first < n; first += ROWS) {
      const rows = Math.min(ROWS, n - first);
      memory.fill(0, sumsAt, sumsAt + ROWS * width);
      for (let from = 0; from < this.dims; from += CHUNK) {
        this.#addChunk(values, first, rows, from, Math.min(CHUNK, this.dims - from));
      }
      for (let i = 0; i < rows; i++) {
        const at = sumsAt + i * width;
        for (let v = 0; v < b; v++) out[(first + i) * b + v] = memory[at + v];
      }
    }
    return out;
  }

  #addChunk(values: Float32Array, first: number, rows: number, from: number, size: number) {
    const { dims } = this;
    const width = this.#width;
    const rowsAt = this.#rowsAt;
    const sumsAt = this.#sumsAt;
    const kernel = this.#kernel;
    const { memory } = kernel;
    const { shift, scale } = this.#scaling;
    for (let i = 0; i < rows; i += TILE) {
      // Four rows at a time; a tile that reaches beyond the last row repeats it, and is not read there.
      const row0 = (first + i) * dims + from;
      const row1 = (first + Math.min(i + 1, rows - 1)) * dims + from;
      const row2 = (first + Math.min(i + 2, rows - 1)) * dims + from;
      const row3 = (first + Math.min(i + 3, rows - 1)) * dims + from;
      const to = rowsAt + i * CHUNK;
      for (let j = 0; j < size; j++) {
        const less = shift[from + j];
        const factor = scale[from + j];
        const at = to + j * TILE;
        memory[at] = (values[row0 + j] - less) * factor;
        memory[at + 1] = (values[row1 + j] - less) * factor;
        memory[at + 2] = (values[row2 + j] - less) * factor;
        memory[at + 3] = (values[row3 + j] - less) * factor;
      }
      const c = sumsAt + i * width;
      kernel.multiply(to, TILE, from * TILE, TILE, dims * TILE, width / TILE, size, c, width);
    }
  }
}
