import {
  bufferOf,
  createSharedMemory,
  quadsOf,
  RowKernel,
  SCRATCH_DOUBLES,
  type SharedMemory,
} from '../kernels/row-kernel.ts';
import { LANES } from '../kernels/row-kernel-code.ts';

/** Parts of the rows in memory that threads take one by one; each has sums of its own, added in order. */
export const SLICES = 16;
/** More would find too little to do. */
export const MOST_THREADS = SLICES;

/** What the threads of a fit share: one memory, and where in it things lie (bytes). */
export interface PassShare {
  readonly memory: SharedMemory;
  readonly quads: number;
  /** Groups of four vectors at most. */
  readonly groups: number;
  /** Scratch of each thread, then float64 shift, vectors, sums of each slice, then float32 rows. */
  readonly shift: number;
  readonly vectors: number;
  readonly sums: number;
  readonly rows: number;
}

/** The int32 at the start of the memory. */
export const SLOT = {
  /** The next slice to take: turn * TURN + slice. A thread that is late finds another turn and takes nothing. */
  ticket: 0,
  /** Goes up with each turn, negative at the end: what idle threads wait on. */
  turn: 1,
  /** Groups of vectors in this turn. */
  groups: 2,
  /** Rows of this turn, and of a slice. */
  rows: 3,
  sliceRows: 4,
  /** Slices done in this turn: what the coordinator waits on. */
  done: 5,
  /** For each slice the turn in which it was done. */
  slices: 6,
} as const;

export const TURN = 64;
const CONTROL_BYTES = 4096;

/** @param b vectors at most, @param rows rows at a time. */
export function createPassShare(dims: number, b: number, rows: number): PassShare {
  const quads = quadsOf(dims);
  const groups = Math.ceil(b / LANES);
  const shift = CONTROL_BYTES + MOST_THREADS * SCRATCH_DOUBLES * 8;
  const vectors = shift + quads * 32;
  const sums = vectors + groups * quads * 128;
  const rowsAt = sums + SLICES * groups * quads * 128;
  // One row beyond: the partner of an odd last one.
  const memory = createSharedMemory(rowsAt + (rows + 1) * quads * 16);
  return { memory, quads, groups, shift, vectors, sums, rows: rowsAt };
}

export function controlOf({ memory }: PassShare): Int32Array {
  return new Int32Array(bufferOf(memory), 0, SLOT.slices + SLICES);
}

/** Takes slices of a turn until none is left. */
export class SliceTaker {
  private readonly share: PassShare;
  private readonly control: Int32Array;
  private readonly kernel: RowKernel;

  constructor(share: PassShare, thread: number) {
    this.share = share;
    this.control = controlOf(share);
    this.kernel = new RowKernel(share.memory, CONTROL_BYTES + thread * SCRATCH_DOUBLES * 8);
  }

  /** @returns false when there was nothing left to take. */
  takeOne(turn: number): boolean {
    const { control } = this;
    const ticket = Atomics.load(control, SLOT.ticket);
    const slice = ticket % TURN;
    if (Math.floor(ticket / TURN) !== turn || slice >= SLICES) return false;
    if (Atomics.compareExchange(control, SLOT.ticket, ticket, ticket + 1) === ticket) {
      this.run(slice, turn);
    }
    return true;
  }

  /** Sums one slice; the same bits in whatever thread. */
  run(slice: number, turn: number): void {
    const { share, control } = this;
    const { quads } = share;
    const sliceRows = control[SLOT.sliceRows]!;
    const first = slice * sliceRows;
    const n = Math.max(0, Math.min(sliceRows, control[SLOT.rows]! - first));
    const sumBytes = share.groups * quads * 128;
    const sums = share.sums + slice * sumBytes;
    new Float64Array(bufferOf(share.memory), sums, sumBytes / 8).fill(0);
    const operands = { ...share, rows: share.rows + first * quads * 16, sums };
    this.kernel.add(operands, n, quads, control[SLOT.groups]!);
    Atomics.store(control, SLOT.slices + slice, turn);
    Atomics.add(control, SLOT.done, 1);
    Atomics.notify(control, SLOT.done);
  }
}
