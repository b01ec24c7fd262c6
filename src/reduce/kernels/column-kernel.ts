import { type NativeKernels, nativeKernels } from './native-kernels.ts';
import { encodeColumns, QUAD } from './row-kernel-code.ts';

/** Sums of columns, [dims] each, and the step that adds rows. */
export interface ColumnKernel {
  /** What rows are taken relative to. */
  readonly origin: Float64Array;
  readonly means: Float64Array;
  /** Sums of squared deviations. */
  readonly squares: Float64Array;
  /**
   * Rows by Welford's recurrence, one after the other.
   * @param rows [n, dims]
   * @param count rows in the sums so far
   * @returns false when a value is not finite; the sums are spoiled then.
   */
  add(rows: Float32Array | Float64Array, n: number, count: number): boolean;
}

type Run = (...places: number[]) => void;

let module: WebAssembly.Module | undefined;

/** For float32 rows by the addon, else in WebAssembly where there are vectors, else in JavaScript: the same bits. */
export function createColumnKernel(dims: number): ColumnKernel {
  const native = nativeKernels();
  return native ? createNativeColumnKernel(dims, native) : createSimdColumnKernel(dims);
}

export function createNativeColumnKernel(dims: number, native: NativeKernels): ColumnKernel {
  const [origin, means, squares] = [0, 1, 2].map(() => new Float64Array(dims)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const sums = { origin, means, squares };
  return {
    ...sums,
    add(rows, n, count) {
      if (!(rows instanceof Float32Array)) return addPlainly(sums, rows, n, count);
      return native.addColumns(rows, origin, means, squares, n, dims, count);
    },
  };
}

export function createSimdColumnKernel(dims: number): ColumnKernel {
  const quads = Math.ceil(dims / QUAD);
  const padded = quads * QUAD;
  // share (twice) | check (twice) | origin | means | squares | row
  const columnsAt = 4;
  const rowAt = columnsAt + 3 * padded;
  const { buffer, run } = createRun(8 * rowAt + 4 * padded);
  const columns = (i: number) => new Float64Array(buffer, 8 * (columnsAt + i * padded), dims);
  const shares = new Float64Array(buffer, 0, 2);
  const check = new Float64Array(buffer, 16, 2);
  const floats = new Float32Array(buffer, 8 * rowAt, dims);
  const sums = { origin: columns(0), means: columns(1), squares: columns(2) };
  const places = [0, 1, 2].map((i) => 8 * (columnsAt + i * padded));
  return {
    ...sums,
    add(rows, n, count) {
      if (run === undefined || !(rows instanceof Float32Array)) {
        return addPlainly(sums, rows, n, count);
      }
      for (let i = 0; i < n; i++) {
        floats.set(rows.subarray(i * dims, (i + 1) * dims));
        shares.fill(1 / (count + i + 1));
        run(8 * rowAt, places[0]!, places[1]!, places[2]!, 0, 16, quads);
        if (check[0] !== 0 || check[1] !== 0) return false;
      }
      return true;
    },
  };
}

type Sums = Pick<ColumnKernel, 'origin' | 'means' | 'squares'>;

function addPlainly(
  { origin, means, squares }: Sums,
  rows: ArrayLike<number>,
  n: number,
  count: number,
): boolean {
  const dims = origin.length;
  let check = 0;
  for (let i = 0; i < n; i++) {
    const share = 1 / (count + i + 1);
    for (let j = 0; j < dims; j++) {
      const value = rows[i * dims + j]! - origin[j]!;
      const delta = value - means[j]!;
      const mean = means[j]! + delta * share;
      check += value - value;
      squares[j]! += delta * (value - mean);
      means[j] = mean;
    }
  }
  return check === 0;
}

function createRun(bytes: number): { buffer: ArrayBuffer; run?: Run } {
  try {
    module ??= new WebAssembly.Module(encodeColumns());
    const pages = Math.ceil(bytes / 65536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports;
    return { buffer: memory.buffer as ArrayBuffer, run: run as Run };
  } catch {
    return { buffer: new ArrayBuffer(bytes) };
  }
}
