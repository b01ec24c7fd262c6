import { createRowKernel, type RowKernel } from '../kernels/row-kernel.ts';
import { bufferOf } from '../kernels/shared-memory.ts';
import { fourVectors, makeImages, type SymmetricMatrix } from '../symmetric-product.ts';
import {
  controlOf,
  imageColumns,
  JOB,
  matrixOf,
  type PassShare,
  SLOT,
  scratchOf,
  TURN,
} from './pass-share.ts';
import { ScatterBlocks } from './scatter-blocks.ts';

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
