import { availableParallelism } from 'node:os';
import { RunError } from '../errors.ts';
import {
  bufferOf,
  createPanelKernel,
  nativeKernels,
  type PanelKernel,
  quadsOf,
  TILE,
} from './kernels.ts';
import {
  blockCount,
  createPassShare,
  JOB,
  MOST_THREADS,
  matrixOf,
  PANEL_DEPTH,
  type PassShare,
  STRIP_ROWS,
} from './passes/pass-share.ts';
import { PassThreads } from './passes/pass-threads.ts';
import { PASS_LIMITS } from './passes/row-passes.ts';
import { fourVectors, mirrorUpper, multiplySymmetric } from './symmetric-matrix.ts';

/** Panels are summed some at a time: so many bytes, which a last-level cache holds. */
const CHUNK_BYTES = 4 * 2 ** 20;

/**
 * Mean and scatter matrix (the sum of the outer products of the deviations from the mean) of rows
 * that come one block after the other, in float64.
 *
 * Rows are gathered into panels of 256, whose columns are taken relative to a value of their own where they lie far
 * from zero (PanelKernel): a panel's scatter matrix is X^T X - n mean mean^T, and what cancels there is at most some thousand times
 * as large as what stays. Two sets of rows A and B are joined by Chan, Golub and LeVeque's formula:
 *   S = S_A + S_B + (n_A n_B / n) (mean_B - mean_A) (mean_B - mean_A)^T
 * The result depends on the rows and their order only,
 * not on how they were cut into blocks or on threads. Memory: 8 dims^2 bytes and the panels, up to 10 MB.
 */
export class Moments {
  readonly dims: number;
  readonly #share: PassShare;
  readonly #threads: PassThreads;
  readonly #panels: PanelKernel;
  readonly #doubles: Float64Array;
  /** WebAssembly reads rows in its own memory only. */
  readonly #staged: Float32Array | undefined;
  /** Panels of a chunk, and chunks: of two, one is filled while threads sum the other. */
  readonly #perChunk: number;
  readonly #chunks: number;
  #chunk = 0;
  #panel = 0;
  /** Rows in whole panels, without those that wait in the last one. */
  #folded = 0;
  #waiting = 0;
  #isMirrored = true;

  /** @param rows how many will come as fast as they can be added: threads help where that is much */
  constructor(dims: number, rows = 0, native = nativeKernels() ?? null) {
    this.dims = dims;
    const bytes = 4 * rows * dims;
    const most = Math.min(MOST_THREADS, availableParallelism(), blockCount(quadsOf(dims)));
    const threads = bytes < PASS_LIMITS.threadBytes ? 1 : most;
    this.#chunks = threads === 1 ? 1 : 2;
    this.#perChunk = Math.max(1, Math.floor(CHUNK_BYTES / (PANEL_DEPTH * dims * 8)));
    const panels = this.#chunks * this.#perChunk;
    this.#share = createPassShare(dims, 0, native ? 0 : STRIP_ROWS, panels);
    const buffer = bufferOf(this.#share.memory);
    this.#doubles = new Float64Array(buffer);
    if (!native) this.#staged = new Float32Array(buffer, this.#share.rows);
    this.#panels = createPanelKernel(this.#share.memory, native);
    this.#threads = new PassThreads(this.#share, threads);
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
  async add(values: Float32Array, n: number): Promise<void> {
    const { dims } = this;
    if (this.count === 0 && n > 0) {
      this.#doubles.set(values.subarray(0, dims), this.#share.shift / 8);
    }
    for (let done = 0; done < n; ) {
      const rows = Math.min(n - done, STRIP_ROWS - this.#waiting);
      if (!this.#fillPanel(values, done, rows)) {
        await this.close();
        throw notFinite(values, dims, done, this.count - done);
      }
      done += rows;
      this.#waiting += rows;
      if (this.#waiting === STRIP_ROWS) this.#centrePanel();
      if (this.#panel === this.#perChunk) await this.#foldChunk(this.#perChunk * STRIP_ROWS);
    }
  }

  /** Mean of each column, [dims]. */
  async mean(): Promise<Float64Array> {
    await this.#foldAll();
    const { dims } = this;
    const [origin, means] = [this.#share.shift / 8, this.#share.means / 8];
    return Float64Array.from({ length: dims }, (_, j) => {
      return this.#doubles[origin + j] + this.#doubles[means + j];
    });
  }

  /** Sum of the squared deviations of each column from its mean, [dims]; exactly 0 where it is constant. */
  async squares(): Promise<Float64Array> {
    await this.#foldAll();
    const { start, padded } = matrixOf(this.#share);
    return Float64Array.from({ length: this.dims }, (_, i) => {
      return this.#doubles[start + i * (padded + 1)];
    });
  }

  /**
   * The scatter matrix times vectors.
   * @param block [b, dims], one vector a row.
   * @returns [b, dims]
   */
  async applyScatter(block: Float64Array, b: number): Promise<Float64Array> {
    await this.#foldAll();
    const matrix = matrixOf(this.#share);
    if (!this.#isMirrored) mirrorUpper(matrix);
    this.#isMirrored = true;
    const room = this.#share.panels / 8;
    const out = multiplySymmetric(matrix, room, block, b);
    this.#doubles.fill(0, room, room + 2 * fourVectors(matrix.padded));
    return out;
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#threads.close();
  }

  /** Copies rows into the panel. Returns whether all values are finite. */
  #fillPanel(values: Float32Array, from: number, rows: number): boolean {
    const { dims } = this;
    const { quads, rows: rowsAt } = this.#share;
    const to = this.#panelAt() + this.#waiting * TILE;
    const step = PANEL_DEPTH * TILE;
    const staged = this.#staged;
    if (staged === undefined) {
      return this.#panels.pack(values, from * dims, dims, rows, dims, to, step);
    }
    for (let i = 0; i < rows; i++) {
      const at = (from + i) * dims;
      staged.set(values.subarray(at, at + dims), i * quads * TILE);
    }
    return this.#panels.pack(staged, rowsAt / 4, quads * 4, rows, dims, to, step);
  }

  /** Makes the panel ready for its products, and moves the means on. */
  #centrePanel(): void {
    const rows = this.#waiting;
    const folded = this.#folded;
    const total = folded + rows;
    const weight = Math.sqrt((folded / total) * rows);
    const { quads, shift, means } = this.#share;
    const [at, step, origin] = [this.#panelAt(), PANEL_DEPTH * TILE, shift / 8];
    const share = rows / total;
    this.#panels.centre(at, step, quads, rows, STRIP_ROWS, origin, means / 8, weight, share);
    this.#folded = total;
    this.#waiting = 0;
    this.#panel++;
  }

  /** Gives threads the chunk, of so many rows, and turns to the other one. */
  async #foldChunk(rows: number): Promise<void> {
    const tasks = blockCount(this.#share.quads);
    const firstRow = this.#chunk * this.#perChunk * STRIP_ROWS;
    this.#isMirrored = false;
    await this.#threads.finish();
    this.#threads.begin({ job: JOB.fold, tasks, rows, firstRow });
    if (this.#chunks === 1) await this.#threads.finish();
    this.#chunk = (this.#chunk + 1) % this.#chunks;
    this.#panel = 0;
  }

  async #foldAll(): Promise<void> {
    const rows = this.#panel * STRIP_ROWS + this.#waiting;
    if (this.#waiting > 0) this.#centrePanel();
    if (rows > 0) await this.#foldChunk(rows);
    await this.#threads.finish();
  }

  #panelAt(): number {
    const { panels, quads } = this.#share;
    const panel = this.#chunk * this.#perChunk + this.#panel;
    return panels / 8 + panel * quads * PANEL_DEPTH * TILE;
  }
}

/** The error for the first value of `values` from row `from` on that is NaN or infinite. */
export function notFinite(
  values: Float32Array,
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
