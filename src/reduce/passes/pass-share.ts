import {
  bufferOf,
  createSharedKernel,
  createSharedMemory,
  quadsOf,
  type SharedMemory,
  WHOLE_ROWS,
} from '../kernels.ts';
import type { SymmetricMatrix } from '../symmetric-matrix.ts';
import { LANES, SCRATCH_DOUBLES } from './row-kernel.ts';

/** Parts of the rows in memory that threads take one by one; each has sums of its own, added in order. */
export const SLICES = 16;
/** More would find too little to do. */
export const MOST_THREADS = SLICES;
/** The widest rows for which a scatter matrix has room: one of 134 MB. */
export const MOST_MATRIX_DIMS = 4096;

/** Columns of a strip: a block of the scatter matrix joins two of them, and is what a thread takes. */
export const STRIP = 128;
/** Rows of a panel: a strip of it (256 KB) stays in the cache while tiles of another one are multiplied with it. */
export const STRIP_ROWS = 256;
/** Where it has its values as whole numbers, after the rows that complete its scatter matrix, see PanelKernel. */
export const WHOLE_ROW = STRIP_ROWS + 4;
export const PANEL_DEPTH = WHOLE_ROW + WHOLE_ROWS;
/** Rows are copied into panels some at a time: so many bytes stay in the last cache for all blocks. */
const CHUNK_BYTES = 16 * 2 ** 20;

/** What the threads of a fit share: one memory, and where in it each part is (bytes). */
export interface PassShare {
  readonly memory: SharedMemory;
  readonly dims: number;
  readonly quads: number;
  /** Groups of four vectors at most. */
  readonly groups: number;
  /** Scratch of each thread, then float64 shift and means, vectors, sums of each slice, then float32 rows. */
  readonly shift: number;
  readonly means: number;
  readonly vectors: number;
  readonly sums: number;
  readonly rows: number;
  /**
   * Then, for up to MOST_MATRIX_DIMS, float64 panels [quads][PANEL_DEPTH][4] of the rows in work, a block
   * [STRIP, STRIP] for each thread, and the scatter matrix [4 quads, 4 quads]. They use no memory before they are written.
   */
  readonly panels: number;
  readonly blocks: number;
  readonly matrix: number;
  readonly hasMatrix: boolean;
}

/** The int32 at the start of the memory. */
export const SLOT = {
  /** The next task to take: turn * TURN + task. A thread that is late finds another turn and takes nothing. */
  ticket: 0,
  /** Goes up with each turn, negative at the end: what idle threads wait on. */
  turn: 1,
  /** What this turn does, see `JOB`, and in how many tasks. */
  job: 2,
  tasks: 3,
  /** Rows of this turn. */
  rows: 4,
  /** Of a product: rows of a slice; of it and of images: groups of vectors. */
  sliceRows: 5,
  groups: 6,
  /** Of `pack`: the first of its rows; of `fold`: the first in the panels. */
  firstRow: 7,
  /** Tasks done in this turn: what the coordinator waits on. */
  done: 8,
  /** For each thread the task that it works on, counted from 1; 0 where it has none. */
  inHand: 9,
  /** For each task the turn in which it was done. */
  tasksDone: 9 + MOST_THREADS,
} as const;

export const JOB = {
  /** X^T (X Q), a slice of the rows a task. */
  product: 0,
  /** Rows to panels, a strip of columns a task. */
  pack: 1,
  /** X^T X of the rows in the panels, a block of the matrix a task. */
  scatter: 2,
  /** (X^T X) Q, some columns of the matrix a task. */
  image: 3,
  /** As `scatter`, but each panel's sum is added to the matrix by itself. */
  fold: 4,
} as const;

export const TURN = 1024;
/** Columns that a task takes of images: they are read row by row. */
const IMAGE_COLUMNS = 256;
const MOST_TASKS = blockCount(MOST_MATRIX_DIMS / 4);
const CONTROL_BYTES = 4096;

/** Rows that are in panels at a time. */
export function chunkRows(quads: number): number {
  return STRIP_ROWS * Math.max(1, Math.floor(CHUNK_BYTES / (32 * quads * STRIP_ROWS)));
}

export function stripCount(quads: number): number {
  return Math.ceil((quads * 4) / STRIP);
}

/** Blocks of the scatter matrix on and above its diagonal. */
export function blockCount(quads: number): number {
  const strips = stripCount(quads);
  return (strips * (strips + 1)) / 2;
}

/** Tasks of a turn that makes images. */
export function imageTasks(quads: number): number {
  return Math.ceil((quads * 4) / IMAGE_COLUMNS);
}

/** The columns of an image's task: from the first to before the second. */
export function imageColumns(task: number, quads: number): readonly [number, number] {
  return [task * IMAGE_COLUMNS, Math.min(quads * 4, (task + 1) * IMAGE_COLUMNS)];
}

/**
 * @param b vectors at most
 * @param rows rows at a time
 * @param panels of STRIP_ROWS rows in work at a time
 */
export function createPassShare(
  dims: number,
  b: number,
  rows: number,
  panels = chunkRows(quadsOf(dims)) / STRIP_ROWS,
): PassShare {
  const quads = quadsOf(dims);
  const groups = Math.ceil(b / LANES);
  const hasMatrix = dims <= MOST_MATRIX_DIMS;
  const shift = CONTROL_BYTES + MOST_THREADS * SCRATCH_DOUBLES * 8;
  const means = shift + quads * 32;
  const vectors = means + quads * 32;
  const sums = vectors + groups * quads * 128;
  const rowsAt = sums + SLICES * groups * quads * 128;
  // One row beyond: the partner of an odd last one.
  const panelsAt = rowsAt + (rows + 1) * quads * 16;
  const blocks = panelsAt + panels * PANEL_DEPTH * quads * 32;
  const matrix = blocks + MOST_THREADS * STRIP * STRIP * 8;
  const memory = createSharedMemory(hasMatrix ? matrix + (4 * quads) ** 2 * 8 : panelsAt);
  const places = { shift, means, vectors, sums, rows: rowsAt, panels: panelsAt, blocks, matrix };
  return { memory, dims, quads, groups, ...places, hasMatrix };
}

/** The scatter matrix as a kernel finds it; its products have their vectors and images where those of passes are. */
export function matrixOf({ memory, matrix, dims, quads }: PassShare): SymmetricMatrix {
  return { kernel: createSharedKernel(memory), start: matrix / 8, dims, padded: 4 * quads };
}

export function controlOf({ memory }: PassShare): Int32Array {
  return new Int32Array(bufferOf(memory), 0, SLOT.tasksDone + MOST_TASKS);
}

/** Where a thread has its SCRATCH_DOUBLES, in bytes. */
export function scratchOf(thread: number): number {
  return CONTROL_BYTES + thread * SCRATCH_DOUBLES * 8;
}

/** Where a thread has a block of sums [STRIP, STRIP], in bytes. */
export function blockOf({ blocks }: PassShare, thread: number): number {
  return blocks + thread * STRIP * STRIP * 8;
}
