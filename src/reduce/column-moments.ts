import {
  bufferOf,
  createSharedMemory,
  type NativeKernels,
  nativeKernels,
  quadsOf,
  wasmKernels,
} from './kernels.ts';
import { notFinite } from './moments.ts';

/**
 * Mean and sum of squared deviations of each column, in float64, by Welford's recurrence on the rows
 * less the first one: what the scaler needs where a scatter matrix would be too large. Rows are
 * taken one by one, so the result depends on the rows and their order only. Memory: 28 dims bytes.
 */
export class ColumnMoments {
  readonly dims: number;
  count = 0;
  readonly #kernel: ReturnType<typeof createColumnKernel>;

  constructor(dims: number) {
    this.dims = dims;
    this.#kernel = createColumnKernel(dims);
  }

  /**
   * Adds n rows.
   * @param values float32 [n, dims] row-major.
   * @throws RunError naming the row (counted from the first ever added) of a value that is not finite.
   */
  add(values: Float32Array, n: number): void {
    const { dims } = this;
    const kernel = this.#kernel;
    if (this.count === 0 && n > 0) kernel.origin.set(values.subarray(0, dims));
    if (!kernel.add(values, n, this.count)) throw notFinite(values, dims, 0, this.count);
    this.count += n;
  }

  /** Mean of each column, [dims]. */
  mean(): Float64Array {
    return this.#kernel.means.map((mean, j) => this.#kernel.origin[j] + mean);
  }

  /** Sum of the squared deviations of each column from its mean, [dims]; exactly 0 where it is constant. */
  squares(): Float64Array {
    return this.#kernel.squares.slice();
  }
}

/** Sums of columns, [dims] each, and the step that adds rows. */
interface ColumnKernel {
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
