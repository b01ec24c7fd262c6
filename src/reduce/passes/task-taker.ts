import {
  bufferOf,
  createPanelKernel,
  type PanelKernel,
  TILE,
  type TileKernel,
} from '../kernels.ts';
import { fourVectors, makeImages, type SymmetricMatrix } from '../symmetric-matrix.ts';
import {
  blockOf,
  controlOf,
  imageColumns,
  JOB,
  matrixOf,
  PANEL_DEPTH,
  type PassShare,
  SLOT,
  STRIP,
  STRIP_ROWS,
  scratchOf,
  stripCount,
  TURN,
  WHOLE_ROW,
} from './pass-share.ts';
import { createRowKernel, type RowKernel } from './row-kernel.ts';

/** Doubles of a panel from a group of four columns to the next one. */
const GROUP_STEP = PANEL_DEPTH * TILE;

/** Takes tasks of a turn until none is left. */
export class TaskTaker {
  readonly #share: PassShare;
  readonly #control: Int32Array;
  readonly #inHand: number;
  readonly #kernel: RowKernel;
  readonly #matrix: SymmetricMatrix;
  readonly #blocks: ScatterBlocks;

  constructor(share: PassShare, thread: number) {
    this.#share = share;
    this.#control = controlOf(share);
    this.#inHand = SLOT.inHand + thread;
    this.#kernel = createRowKernel(share.memory, scratchOf(thread));
    this.#matrix = matrixOf(share);
    this.#blocks = new ScatterBlocks(share, this.#matrix.kernel, thread);
  }

  /** @returns false when there was nothing left to take. */
  takeOne(turn: number): boolean {
    const control = this.#control;
    const ticket = Atomics.load(control, SLOT.ticket);
    const task = ticket % TURN;
    if (Math.floor(ticket / TURN) !== turn || task >= control[SLOT.tasks]) return false;
    if (Atomics.compareExchange(control, SLOT.ticket, ticket, ticket + 1) === ticket) {
      Atomics.store(control, this.#inHand, task + 1);
      this.run(task, turn);
      Atomics.store(control, this.#inHand, 0);
    }
    return true;
  }

  /** Does one task; the same bits in whatever thread. */
  run(task: number, turn: number): void {
    const control = this.#control;
    const blocks = this.#blocks;
    const rows = control[SLOT.rows];
    if (control[SLOT.job] === JOB.product) this.#sumSlice(task);
    else if (control[SLOT.job] === JOB.pack) blocks.pack(task, control[SLOT.firstRow], rows);
    else if (control[SLOT.job] === JOB.scatter) blocks.add(task, rows);
    else if (control[SLOT.job] === JOB.fold) blocks.fold(task, control[SLOT.firstRow], rows);
    else this.#makeImages(task);
    Atomics.store(control, SLOT.tasksDone + task, turn);
    Atomics.add(control, SLOT.done, 1);
    Atomics.notify(control, SLOT.done);
  }

  #makeImages(task: number): void {
    const share = this.#share;
    const control = this.#control;
    const matrix = this.#matrix;
    const [from, end] = imageColumns(task, share.quads);
    for (let group = 0; group < control[SLOT.groups]; group++) {
      const at = group * fourVectors(matrix.padded);
      makeImages(matrix, share.vectors / 8 + at, share.sums / 8 + at, from, end);
    }
  }

  #sumSlice(slice: number): void {
    const share = this.#share;
    const control = this.#control;
    const { quads } = share;
    const sliceRows = control[SLOT.sliceRows];
    const first = slice * sliceRows;
    const n = Math.max(0, Math.min(sliceRows, control[SLOT.rows] - first));
    const sumBytes = share.groups * quads * 128;
    const sums = share.sums + slice * sumBytes;
    new Float64Array(bufferOf(share.memory), sums, sumBytes / 8).fill(0);
    const operands = { ...share, rows: share.rows + first * quads * 16, sums };
    this.#kernel.add(operands, n, quads, control[SLOT.groups]);
  }
}

/**
 * Adds X^T X over rows in memory, X = rows less the shift, to the scatter matrix's upper triangle, block by
 * block. Each block's sum depends on the rows and their order only.
 */
class ScatterBlocks {
  readonly #share: PassShare;
  readonly #kernel: TileKernel;
  readonly #panels: PanelKernel;
  readonly #floats: Float32Array;
  /** Where this thread's sums are, in doubles. */
  readonly #sums: number;

  constructor(share: PassShare, kernel: TileKernel, thread: number) {
    this.#share = share;
    this.#kernel = kernel;
    this.#panels = createPanelKernel(share.memory);
    this.#floats = new Float32Array(bufferOf(share.memory));
    this.#sums = blockOf(share, thread) / 8;
  }

  /** Copies a strip of `count` rows from `firstRow` on into the panels. */
  pack(strip: number, firstRow: number, count: number): void {
    const { quads, rows, shift, means } = this.#share;
    const column = strip * STRIP;
    const groups = this.#groupsOf(column);
    const [origin, zeros] = [shift / 8 + column, means / 8 + column];
    for (let done = 0; done < count; done += STRIP_ROWS) {
      const at = rows / 4 + (firstRow + done) * quads * 4 + column;
      const n = Math.min(STRIP_ROWS, count - done);
      const to = this.#panelAt(done, column);
      const panels = this.#panels;
      panels.pack(this.#floats, at, quads * 4, n, groups * TILE, to, GROUP_STEP);
      // All relative to the mean of all rows.
      panels.centre(to, GROUP_STEP, groups, n, STRIP_ROWS, origin, zeros, Math.sqrt(n), 0);
    }
  }

  /** @param count rows in the panels. */
  add(block: number, count: number): void {
    const [top, left] = cornerOf(block, this.#share.quads);
    this.#kernel.memory.fill(0, this.#sums, this.#sums + STRIP * STRIP);
    this.#addPanels(top, left, 0, count);
    const { memory } = this.#kernel;
    this.#eachRow(top, left, (sums, matrix, length) => {
      for (let j = 0; j < length; j++) memory[matrix + j] += memory[sums + j];
    });
  }

  /** @param first of `count` rows in the panels. */
  fold(block: number, first: number, count: number): void {
    const [top, left] = cornerOf(block, this.#share.quads);
    const { memory } = this.#kernel;
    this.#eachRow(top, left, (sums, matrix, length) => {
      memory.copyWithin(sums, matrix, matrix + length);
    });
    this.#addPanels(top, left, first, count);
    this.#eachRow(top, left, (sums, matrix, length) => {
      memory.copyWithin(matrix, sums, sums + length);
    });
  }

  #addPanels(top: number, left: number, first: number, count: number): void {
    const [tall, wide] = [this.#groupsOf(top), this.#groupsOf(left)];
    for (let done = 0; done < count; done += STRIP_ROWS) {
      const a = this.#panelAt(first + done, top);
      const b = this.#panelAt(first + done, left);
      const depth = Math.min(STRIP_ROWS, count - done);
      const kernel = this.#kernel;
      const sums = this.#sums;
      kernel.multiplyBlock(a, b, GROUP_STEP, tall, wide, depth, sums, STRIP, true, WHOLE_ROW);
      const [from, to] = [a + STRIP_ROWS * TILE, b + (STRIP_ROWS + 2) * TILE];
      kernel.multiplyBlock(from, to, GROUP_STEP, tall, wide, 2, sums, STRIP);
    }
  }

  /** Where the panel of a row has a column, in doubles. */
  #panelAt(row: number, column: number): number {
    const { panels, quads } = this.#share;
    return panels / 8 + ((row / STRIP_ROWS) * quads + column / TILE) * GROUP_STEP;
  }

  /** Groups of four columns in the strip that begins there. */
  #groupsOf(column: number): number {
    return Math.min(STRIP, 4 * this.#share.quads - column) / TILE;
  }

  /**
   * Calls for each row of a block's sums, with its place there and in the matrix. The matrix is written last: a task
   * that failed before has not changed it.
   */
  #eachRow(top: number, left: number, visit: (sums: number, matrix: number, n: number) => void) {
    const padded = 4 * this.#share.quads;
    const matrix = this.#share.matrix / 8;
    const bottom = Math.min(padded, top + STRIP);
    const right = Math.min(padded, left + STRIP);
    for (let i = top; i < bottom; i++) {
      const j = Math.max(i, left);
      visit(this.#sums + (i - top) * STRIP + j - left, matrix + i * padded + j, right - j);
    }
  }
}

/** First row and first column of a block, counted along the strips above the diagonal. */
function cornerOf(block: number, quads: number): readonly [number, number] {
  const strips = stripCount(quads);
  let top = 0;
  let rest = block;
  for (; rest >= strips - top; top++) rest -= strips - top;
  return [top * STRIP, (top + rest) * STRIP];
}
