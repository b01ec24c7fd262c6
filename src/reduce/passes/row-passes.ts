import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { RunError } from '../../errors.ts';
import type { FeatureBlocks } from '../feature-blocks.ts';
import { bufferOf, PANEL_ROWS, placeOf } from '../kernels/row-kernel.ts';
import { LANES } from '../kernels/row-kernel-code.ts';
import {
  controlOf,
  createPassShare,
  MOST_THREADS,
  type PassShare,
  SLICES,
  SLOT,
  SliceTaker,
  TURN,
} from './pass-share.ts';

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

const POLL_MS = 20;

/** Whether all rows can stay in memory, so that a pass over them costs no reading. */
export function isResident({ count, dims }: FeatureBlocks, limits = PASS_LIMITS): boolean {
  return count * dims * 4 <= limits.residentBytes;
}

/**
 * X^T (X Q) over all rows X less a shift, by several threads. Rows are cut into slices whose borders
 * depend on their number and length alone, and the slices' sums are added in order: so neither the
 * number of threads nor timing changes a bit.
 */
export class RowPasses {
  private readonly blocks: FeatureBlocks;
  private readonly share: PassShare;
  private readonly control: Int32Array;
  private readonly doubles: Float64Array;
  private readonly taker: SliceTaker;
  private readonly threads: Worker[];
  private readonly windowRows: number;
  private isFilled = false;
  private turn = 0;
  private living = 0;

  /** @param width vectors at most in one pass. */
  constructor(blocks: FeatureBlocks, shift: Float64Array, width: number, limits = PASS_LIMITS) {
    const { dims, count } = blocks;
    this.blocks = blocks;
    const fitting = isResident(blocks, limits)
      ? count
      : Math.floor(limits.windowBytes / (4 * dims));
    this.windowRows = Math.max(1, fitting);
    this.share = createPassShare(dims, width, this.windowRows);
    this.control = controlOf(this.share);
    const buffer = bufferOf(this.share.memory);
    this.doubles = new Float64Array(buffer, 0, this.share.rows / 8);
    this.doubles.set(shift, this.share.shift / 8);
    this.taker = new SliceTaker(this.share, 0);
    const most =
      4 * count * dims < limits.threadBytes ? 1 : Math.min(MOST_THREADS, availableParallelism());
    this.threads = Array.from({ length: most - 1 }, (_, i) => this.startThread(i + 1));
  }

  /**
   * @param vectors float64 [b, dims], b at most `width`
   * @returns float64 [b, dims]
   */
  async apply(vectors: Float64Array): Promise<Float64Array> {
    const total = new Float64Array(vectors.length);
    this.loadVectors(vectors);
    let rows = 0;
    if (this.isFilled) {
      rows = this.blocks.count;
      await this.addWindow(rows, total);
    } else {
      for await (const filled of this.windows()) {
        rows += filled;
        await this.addWindow(filled, total);
      }
    }
    if (rows !== this.blocks.count) throw this.wrongCount(rows);
    this.isFilled = rows <= this.windowRows;
    return total;
  }

  async close(): Promise<void> {
    Atomics.store(this.control, SLOT.turn, -1);
    Atomics.notify(this.control, SLOT.turn);
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }

  private loadVectors(vectors: Float64Array): void {
    const { doubles, share } = this;
    const { dims } = this.blocks;
    doubles.fill(0, share.vectors / 8, share.sums / 8);
    for (let v = 0; v * dims < vectors.length; v++) {
      for (let j = 0; j < dims; j++) {
        doubles[share.vectors / 8 + placeOf(v, j, share.quads)] = vectors[v * dims + j]!;
      }
    }
  }

  /** Fills the window with rows again and again; tells how many are in it. */
  private async *windows(): AsyncGenerator<number> {
    const { count } = this.blocks;
    let filled = 0;
    for await (const { values, n } of this.blocks.blocks()) {
      for (let done = 0; done < n; ) {
        const taken = Math.min(n - done, this.windowRows - filled);
        if (taken === 0) throw this.wrongCount(count + n - done);
        this.fill(values, done, taken, filled);
        done += taken;
        filled += taken;
        if (filled === this.windowRows && this.windowRows < count) {
          yield filled;
          filled = 0;
        }
      }
    }
    if (filled > 0) yield filled;
  }

  /** Copies rows into the window, padded to whole quads. */
  private fill(values: Float32Array, from: number, n: number, to: number): void {
    const { dims } = this.blocks;
    const { memory, rows, quads } = this.share;
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

  private wrongCount(found: number): RunError {
    return new RunError(
      `Expected ${this.blocks.count} rows for the PCA but found ${found} on a pass.`,
    );
  }

  private async addWindow(rows: number, total: Float64Array): Promise<void> {
    const { control, doubles, share } = this;
    const { dims } = this.blocks;
    const b = total.length / dims;
    const turn = ++this.turn;
    control[SLOT.groups] = Math.ceil(b / LANES);
    control[SLOT.rows] = rows;
    control[SLOT.sliceRows] = Math.ceil(rows / SLICES / PANEL_ROWS) * PANEL_ROWS;
    Atomics.store(control, SLOT.done, 0);
    Atomics.store(control, SLOT.ticket, turn * TURN);
    Atomics.store(control, SLOT.turn, turn);
    Atomics.notify(control, SLOT.turn);
    // The event loop gets its turn between slices: a signal, a progress bar.
    while (this.taker.takeOne(turn)) await setImmediate();
    await this.waitForOthers(turn);
    for (let slice = 0; slice < SLICES; slice++) {
      const at = share.sums / 8 + slice * share.groups * share.quads * 16;
      for (let v = 0; v < b; v++) {
        for (let j = 0; j < dims; j++) {
          total[v * dims + j]! += doubles[at + placeOf(v, j, share.quads)]!;
        }
      }
    }
  }

  /** At most a slice is still in work in each thread. What a thread that died held is done here. */
  private async waitForOthers(turn: number): Promise<void> {
    const { control } = this;
    for (;;) {
      const done = Atomics.load(control, SLOT.done);
      if (done >= SLICES) return;
      if (this.living === 0) {
        for (let slice = 0; slice < SLICES; slice++) {
          if (Atomics.load(control, SLOT.slices + slice) !== turn) this.taker.run(slice, turn);
        }
        return;
      }
      Atomics.wait(control, SLOT.done, done, POLL_MS);
      await setImmediate();
    }
  }

  private startThread(number: number): Worker {
    const thread = new Worker(new URL('./pass-worker.js', import.meta.url), {
      workerData: { share: this.share, thread: number },
    });
    this.living++;
    thread.unref();
    // A thread that cannot be had or that dies leaves its work to the others.
    thread.on('error', () => {});
    thread.on('exit', () => this.living--);
    return thread;
  }
}
