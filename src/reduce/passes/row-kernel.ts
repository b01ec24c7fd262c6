import {
  bufferOf,
  type NativeKernels,
  nativeKernels,
  type SharedMemory,
  type WasmKernels,
  wasmKernels,
} from '../kernels.ts';

/** Vectors taken at a time. */
export const LANES = 4;

/** Rows taken at a time: the piece of them in work stays in a second-level cache between the two products. */
export const PANEL_ROWS = 32;
/** Quads of a row for which the vectors (32 KB) stay near. */
const CHUNK_QUADS = 256;
/** Memory for the products of a panel's rows with four vectors, in doubles. */
export const SCRATCH_DOUBLES = PANEL_ROWS * LANES * 2;

/** Where one number of a vector is in a group of four, in doubles: [quads * 2][4 vectors][2 values]. */
export function placeOf(v: number, j: number, quads: number): number {
  return (v >> 2) * quads * 16 + (v & 3) * 2 + (j >> 1) * 8 + (j & 1);
}

/** Places of the operands, in bytes. */
export interface RowOperands {
  /** float32 [n, 4 quads] */
  readonly rows: number;
  /** float64 [4 quads], what is subtracted from each row. */
  readonly shift: number;
  /** float64, see `placeOf`. */
  readonly vectors: number;
  /** As the vectors. */
  readonly sums: number;
}

/**
 * Adds up X^T (X Q) over rows, X = float32 rows less a shift, Q = vectors; all else in float64. The sums
 * depend on the rows and their order only.
 */
export interface RowKernel {
  /** @param groups groups of four vectors. */
  add(operands: RowOperands, n: number, quads: number, groups: number): void;
}

/** @param scratch bytes where the thread's own SCRATCH_DOUBLES are. */
export function createRowKernel(
  memory: SharedMemory,
  scratch: number,
  native: NativeKernels | null = nativeKernels() ?? null,
): RowKernel {
  return native ? onAddon(memory, native) : new WasmRowKernel(memory, scratch);
}

/** By the addon: the same bits. */
function onAddon(memory: SharedMemory, native: NativeKernels): RowKernel {
  const floats = new Float32Array(bufferOf(memory));
  const doubles = new Float64Array(bufferOf(memory));
  return {
    add({ rows, shift, vectors, sums }, n, quads, groups) {
      native.addRows(floats, doubles, rows / 4, shift / 8, vectors / 8, sums / 8, n, quads, groups);
    },
  };
}

/** In WebAssembly, a panel of rows at a time. */
class WasmRowKernel implements RowKernel {
  readonly #scratch: number;
  readonly #doubles: Float64Array;
  readonly #kernels: WasmKernels;

  constructor(memory: SharedMemory, scratch: number) {
    this.#scratch = scratch;
    this.#doubles = new Float64Array(bufferOf(memory), scratch, SCRATCH_DOUBLES);
    this.#kernels = wasmKernels(memory);
  }

  add({ rows, shift, vectors, sums }: RowOperands, n: number, quads: number, groups: number): void {
    const { project, back } = this.#kernels;
    for (let first = 0; first < n; first += PANEL_ROWS) {
      const count = Math.min(PANEL_ROWS, n - first);
      const x = rows + first * quads * 16;
      for (let group = 0; group < groups; group++) {
        const at = group * quads * 128;
        this.#doubles.fill(0);
        this.#sweep(project, x, shift, vectors + at, quads, count);
        // The partner of an odd last row is whatever follows it: it must add nothing.
        if (count % 2 === 1) this.#doubles.fill(0, count * 8, count * 8 + 8);
        this.#sweep(back, x, shift, sums + at, quads, count);
      }
    }
  }

  #sweep(
    run: WasmKernels['project'],
    x: number,
    shift: number,
    at: number,
    quads: number,
    rows: number,
  ) {
    const rowBytes = quads * 16;
    const rowPairs = (rows + 1) >> 1;
    for (let quad = 0; quad < quads; quad += CHUNK_QUADS) {
      const start = x + quad * 16;
      const size = Math.min(CHUNK_QUADS, quads - quad);
      const [vectors, less] = [at + quad * 128, shift + quad * 32];
      run(start, start + rowBytes, 2 * rowBytes, vectors, less, this.#scratch, rowPairs, size);
    }
  }
}
