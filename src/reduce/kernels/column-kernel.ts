import { encodeColumns, QUAD } from './row-kernel-code.ts';

/** Sums of columns, [dims] each, and the step that adds a row. */
export interface ColumnKernel {
  /** What rows are taken relative to. */
  readonly origin: Float64Array;
  readonly means: Float64Array;
  /** Sums of squared deviations. */
  readonly squares: Float64Array;
  /**
   * One row by Welford's recurrence.
   * @param share 1 / (number of rows with this one)
   * @returns false when a value is not finite; the sums are spoiled then.
   */
  add(row: Float32Array | Float64Array, share: number): boolean;
}

type Run = (...places: number[]) => void;

let module: WebAssembly.Module | undefined;

/** In WebAssembly for float32 rows where there are vectors, else in JavaScript: the same bits. */
export function createColumnKernel(dims: number): ColumnKernel {
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
    add(row, share) {
      if (run === undefined || !(row instanceof Float32Array)) return addPlainly(sums, row, share);
      floats.set(row);
      shares.fill(share);
      run(8 * rowAt, places[0]!, places[1]!, places[2]!, 0, 16, quads);
      return check[0] === 0 && check[1] === 0;
    },
  };
}

type Sums = Pick<ColumnKernel, 'origin' | 'means' | 'squares'>;

function addPlainly({ origin, means, squares }: Sums, row: ArrayLike<number>, share: number) {
  let check = 0;
  for (let j = 0; j < origin.length; j++) {
    const value = row[j]! - origin[j]!;
    const delta = value - means[j]!;
    const mean = means[j]! + delta * share;
    check += value - value;
    squares[j]! += delta * (value - mean);
    means[j] = mean;
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
