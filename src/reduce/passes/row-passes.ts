import { availableParallelism } from 'node:os';
import { RunError } from '../../errors.ts';
import { bufferOf } from '../kernels.ts';
import {
  fourVectors,
  loadVectors,
  mirrorUpper,
  type SymmetricMatrix,
  storeFour,
} from '../symmetric-matrix.ts';
import {
  blockCount,
  chunkRows,
  createPassShare,
  imageTasks,
  JOB,
  MOST_THREADS,
  matrixOf,
  type PassShare,
  SLICES,
  stripCount,
} from './pass-share.ts';
import { PassThreads } from './pass-threads.ts';
import { LANES, PANEL_ROWS, placeOf } from './row-kernel.ts';

/** How much memory and how many threads passes take; bytes of rows. */
export interface PassLimits {
  /** Up to here rows are read once and kept ... */
  readonly residentBytes: number;
  /** ... of more, so many are in memory at a time. */
  readonly windowBytes: number;
  /** Below it a thread costs more than it saves. */
  readonly threadBytes: number;
}

export const PASS_LIMITS: PassLimits = {
  residentBytes: 256 * 2 ** 20,
  windowBytes: 64 * 2 ** 20,
  threadBytes: 8 * 2 ** 20,
};

/** Whether all rows can stay in memory, so that a pass over them costs no reading. */
export function isResident({ count, dims }: FeatureBlocks, limits = PASS_LIMITS): boolean {
  return count * dims * 4 <= limits.residentBytes;
}

/**
 * X^T (X Q) over all rows X less a shift, by several threads. Rows are cut into slices whose borders
 * depend on their number and length alone, and the slices' sums are added in order: so neither the
 * number of threads nor timing changes a bit. After `formMatrix` products come from X^T X, and read no rows.
 */
export class RowPasses {
  readonly #blocks: FeatureBlocks;
  readonly #share: PassShare;
  readonly #doubles: Float64Array;
  readonly #threads: PassThreads;
  readonly #windowRows: number;
  #isFilled = false;
  #matrix: SymmetricMatrix | undefined;

  /** @param width vectors at most in one pass. */
  constructor(blocks: FeatureBlocks, shift: Float64Array, width: number, limits = PASS_LIMITS) {
    const { dims, count } = blocks;
    this.#blocks = blocks;
    const fitting = isResident(blocks, limits)
      ? count
      : Math.floor(limits.windowBytes / (4 * dims));
    this.#windowRows = Math.max(1, fitting);
    this.#share = createPassShare(dims, width, this.#windowRows);
    const buffer = bufferOf(this.#share.memory);
    this.#doubles = new Float64Array(buffer, 0, this.#share.rows / 8);
    this.#doubles.set(shift, this.#share.shift / 8);
    const most =
      4 * count * dims < limits.threadBytes ? 1 : Math.min(MOST_THREADS, availableParallelism());
    this.#threads = new PassThreads(this.#share, most);
  }

  /** Whether there is room for X^T X. */
  get canFormMatrix(): boolean {
    return this.#share.hasMatrix;
  }

  /**
   * @param vectors float64 [b, dims], b at most `width`
   * @returns float64 [b, dims]
   */
  async apply(vectors: Float64Array): Promise<Float64Array> {
    const total = new Float64Array(vectors.length);
    if (this.#matrix) await this.#makeImages(this.#matrix, vectors, total);
    else {
      this.#loadVectors(vectors);
      await this.#eachWindow((rows) => this.#addProducts(rows, total));
    }
    return total;
  }

  /** Sums X^T X by one pass over the rows; only where `canFormMatrix`. */
  async formMatrix(): Promise<void> {
    await this.#eachWindow((rows) => this.#addScatter(rows));
    this.#matrix = matrixOf(this.#share);
    mirrorUpper(this.#matrix);
  }

  async close(): Promise<void> {
    await this.#threads.close();
  }

  async #addScatter(all: number): Promise<void> {
    const threads = this.#threads;
    const { quads } = this.#share;
    const most = chunkRows(quads);
    for (let firstRow = 0; firstRow < all; firstRow += most) {
      const rows = Math.min(most, all - firstRow);
      await threads.run({ job: JOB.pack, tasks: stripCount(quads), rows, firstRow });
      await threads.run({ job: JOB.scatter, tasks: blockCount(quads), rows });
    }
  }

  async #makeImages(matrix: SymmetricMatrix, vectors: Float64Array, images: Float64Array) {
    const share = this.#share;
    const groups = Math.ceil(vectors.length / matrix.dims / LANES);
    const step = fourVectors(matrix.padded);
    for (let group = 0; group < groups; group++) {
      loadVectors(matrix, share.vectors / 8 + group * step, vectors, group * LANES);
    }
    await this.#threads.run({ job: JOB.image, tasks: imageTasks(share.quads), rows: 0, groups });
    for (let group = 0; group < groups; group++) {
      storeFour(matrix, share.sums / 8 + group * step, images, group * LANES);
    }
  }

  /** Calls for all rows, a window of them in memory at a time. */
  async #eachWindow(visit: (rows: number) => Promise<void>): Promise<void> {
    let rows = 0;
    if (this.#isFilled) {
      rows = this.#blocks.count;
      await visit(rows);
    } else {
      for await (const filled of this.#windows()) {
        rows += filled;
        await visit(filled);
      }
    }
    if (rows !== this.#blocks.count) throw this.#wrongCount(rows);
    this.#isFilled = rows <= this.#windowRows;
  }

  #loadVectors(vectors: Float64Array): void {
    const doubles = this.#doubles;
    const share = this.#share;
    const { dims } = this.#blocks;
    doubles.fill(0, share.vectors / 8, share.sums / 8);
    for (let v = 0; v * dims < vectors.length; v++) {
      for (let j = 0; j < dims; j++) {
        doubles[share.vectors / 8 + placeOf(v, j, share.quads)] = vectors[v * dims + j];
      }
    }
  }

  /** Fills the window with rows again and again; yields how many are in it. */
  async *#windows(): AsyncGenerator<number> {
    const { count } = this.#blocks;
    let filled = 0;
    for await (const { values, n } of this.#blocks.blocks()) {
      for (let done = 0; done < n; ) {
        const taken = Math.min(n - done, this.#windowRows - filled);
        if (taken === 0) throw this.#wrongCount(count + n - done);
        this.#fill(values, done, taken, filled);
        done += taken;
        filled += taken;
        if (filled === this.#windowRows && this.#windowRows < count) {
          yield filled;
          filled = 0;
        }
      }
    }
    if (filled > 0) yield filled;
  }

  /** Copies rows into the window, padded to whole quads. */
  #fill(values: Float32Array, from: number, n: number, to: number): void {
    const { dims } = this.#blocks;
    const { memory, rows, quads } = this.#share;
    const window = new Float32Array(bufferOf(memory), rows + to * quads * 16, n * quads * 4);
    if (dims === quads * 4) {
      window.set(values.subarray(from * dims, (from + n) * dims));
      return;
    }
    for (let i = 0; i < n; i++) {
      const at = (from + i) * dims;
      window.set(values.subarray(at, at + dims), i * quads * 4);
    }
  }

  #wrongCount(found: number): RunError {
    return new RunError(
      `Expected ${this.#blocks.count} rows for the PCA but found ${found} on a pass.`,
    );
  }

  async #addProducts(rows: number, total: Float64Array): Promise<void> {
    const doubles = this.#doubles;
    const share = this.#share;
    const { dims } = this.#blocks;
    const b = total.length / dims;
    const groups = Math.ceil(b / LANES);
    const sliceRows = Math.ceil(rows / SLICES / PANEL_ROWS) * PANEL_ROWS;
    await this.#threads.run({ job: JOB.product, tasks: SLICES, rows, sliceRows, groups });
    for (let slice = 0; slice < SLICES; slice++) {
      const at = share.sums / 8 + slice * share.groups * share.quads * 16;
      for (let v = 0; v < b; v++) {
        for (let j = 0; j < dims; j++) {
          total[v * dims + j] += doubles[at + placeOf(v, j, share.quads)];
        }
      }
    }
  }
}

/** Feature vectors that can be read more than once, in row order, a block at a time. */
export interface FeatureBlocks {
  /** Values in each vector. */
  readonly dims: number;
  /** Rows in all blocks together. */
  readonly count: number;
  /** float32 [n, dims] row-major; the same rows in the same order at each call. */
  blocks(): AsyncIterable<FeatureBlock>;
}

export interface FeatureBlock {
  readonly values: Float32Array;
  readonly n: number;
}
