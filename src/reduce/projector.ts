import { createKernel } from './kernels/create-kernel.ts';
import { padToTile, TILE, type TileKernel } from './kernels/tile-kernel.ts';

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
export class Projector {
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
