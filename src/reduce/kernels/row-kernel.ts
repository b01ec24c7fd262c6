import { type NativeKernels, nativeKernels } from './native-kernels.ts';
import { plainBack, plainProject, type RowRun } from './plain-row-kernel.ts';
import { encodeBack, encodeProject, LANES, QUAD } from './row-kernel-code.ts';
import { bufferOf, type SharedMemory } from './shared-memory.ts';

/** Rows taken in one go: the piece of them in work stays in a second-level cache between the two products. */
export const PANEL_ROWS = 32;
/** Quads of a row for which the vectors (32 KB) stay near. */
const CHUNK_QUADS = 256;
/** Memory for the products of a panel's rows with four vectors, in doubles. */
export const SCRATCH_DOUBLES = PANEL_ROWS * LANES * 2;

/** Doubles that a row takes at most: rows are padded to whole quads. */
export function quadsOf(dims: number): number {
  return Math.ceil(dims / QUAD);
}

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

/** @param scratch bytes where the thread's own SCRATCH_DOUBLES lie. */
export function createRowKernel(memory: SharedMemory, scratch: number): RowKernel {
  const native = nativeKernels();
  return native ? createNativeRowKernel(memory, native) : new PanelRowKernel(memory, scratch);
}

/** By the addon: the same bits. */
export function createNativeRowKernel(memory: SharedMemory, native: NativeKernels): RowKernel {
  const floats = new Float32Array(bufferOf(memory));
  const doubles = new Float64Array(bufferOf(memory));
  return {
    add({ rows, shift, vectors, sums }, n, quads, groups) {
      native.addRows(floats, doubles, rows / 4, shift / 8, vectors / 8, sums / 8, n, quads, groups);
    },
  };
}

/** In WebAssembly or plain JavaScript, a panel of rows at a time. */
export class PanelRowKernel implements RowKernel {
  private readonly scratch: number;
  private readonly doubles: Float64Array;
  private readonly project: RowRun;
  private readonly back: RowRun;

  /** @param scratch as for `createRowKernel`. */
  constructor(memory: SharedMemory, scratch: number) {
    this.scratch = scratch;
    this.doubles = new Float64Array(bufferOf(memory), scratch, SCRATCH_DOUBLES);
    const [project, back] = createRuns(memory);
    this.project = project;
    this.back = back;
  }

  add({ rows, shift, vectors, sums }: RowOperands, n: number, quads: number, groups: number): void {
    for (let first = 0; first < n; first += PANEL_ROWS) {
      const count = Math.min(PANEL_ROWS, n - first);
      const x = rows + first * quads * 16;
      for (let group = 0; group < groups; group++) {
        const at = group * quads * 128;
        this.doubles.fill(0);
        this.sweep(this.project, x, shift, vectors + at, quads, count);
        // The partner of an odd last row is whatever follows it: it must add nothing.
        if (count % 2 === 1) this.doubles.fill(0, count * 8, count * 8 + 8);
        this.sweep(this.back, x, shift, sums + at, quads, count);
      }
    }
  }

  private sweep(run: RowRun, x: number, shift: number, at: number, quads: number, rows: number) {
    const rowBytes = quads * 16;
    const rowPairs = (rows + 1) >> 1;
    for (let quad = 0; quad < quads; quad += CHUNK_QUADS) {
      const start = x + quad * 16;
      const size = Math.min(CHUNK_QUADS, quads - quad);
      run(
        start,
        start + rowBytes,
        2 * rowBytes,
        at + quad * 128,
        shift + quad * 32,
        this.scratch,
        rowPairs,
        size,
      );
    }
  }
}

let modules: readonly WebAssembly.Module[] | undefined;

/** The two products: in WebAssembly where there are vectors, else in JavaScript. */
function createRuns(memory: SharedMemory): readonly [RowRun, RowRun] {
  try {
    modules ??= [encodeProject(), encodeBack()].map((code) => new WebAssembly.Module(code));
    const [project, back] = modules.map((module) => {
      const imports = { env: { memory: memory as WebAssembly.Memory } };
      return new WebAssembly.Instance(module, imports).exports.run as RowRun;
    });
    return [project!, back!];
  } catch {
    const buffer = bufferOf(memory);
    return [plainProject(buffer), plainBack(buffer)];
  }
}
