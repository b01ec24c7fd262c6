import { type NativeKernels, nativeKernels } from './native-kernels.ts';
import { quadsOf } from './row-kernel.ts';
import { bufferOf, createSharedMemory } from './shared-memory.ts';
import { wasmKernels } from './wasm-kernels.ts';

/** Sums of columns, [dims] each, and the step that adds rows. */
export interface ColumnKernel {
  /** What rows are taken relative to. */
  readonly origin: Float64Array;
  readonly means: Float64Array;
  /** Sums of squared deviations. */
  readonly squares: Float64Array;
  /**
   * Rows by Welford's recurrence, one after the other.
   * @param rows float32 [n, dims]
   * @param count rows in the sums so far
   * @returns false when a value is not finite; the sums are not usable then.
   */
  add(rows: Float32Array, n: number, count: number): boolean;
}

/** By the addon, else in WebAssembly: the same bits. */
export function createColumnKernel(
  dims: number,
  native: NativeKernels | null = nativeKernels() ?? null,
): ColumnKernel {
  return native ? onAddon(dims, native) : onWasm(dims);
}

function onAddon(dims: number, native: NativeKernels): ColumnKernel {
  const origin = new Float64Array(dims);
  const means = new Float64Array(dims);
  const squares = new Float64Array(dims);
  return {
    origin,
    means,
    squares,
    add: (rows, n, count) => native.addColumns(rows, origin, means, squares, n, dims, count),
  };
}

function onWasm(dims: number): ColumnKernel {
  const quads = quadsOf(dims);
  // origin | means | squares | row, each padded to whole quads
  const memory = createSharedMemory(quads * (3 * 32 + 16));
  const { addRow } = wasmKernels(memory);
  const buffer = bufferOf(memory);
  const columns = (i: number) => new Float64Array(buffer, i * quads * 32, dims);
  const row = new Float32Array(buffer, 3 * quads * 32, dims);
  return {
    origin: columns(0),
    means: columns(1),
    squares: columns(2),
    add(rows, n, count) {
      for (let i = 0; i < n; i++) {
        row.set(rows.subarray(i * dims, (i + 1) * dims));
        const share = 1 / (count + i + 1);
        if (!addRow(row.byteOffset, 0, quads * 32, 2 * quads * 32, share, quads)) return false;
      }
      return true;
    },
  };
}
