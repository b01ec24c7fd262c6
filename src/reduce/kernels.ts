/** The kernels of the PCA, as an addon (native/reduce) or in WebAssembly (native/wasm), to the same bits. */
import { RuntimeError } from '../errors.ts';
import { type LoadedAddon, loadAddon } from '../runtime/addons.ts';
import { startWasm } from '../runtime/wasm-module.ts';

/** The kernel on a zeroed memory of so many doubles: the addon, else WebAssembly. @throws RuntimeError without either */
export function createKernel(
  doubles: number,
  native: NativeKernels | null = nativeKernels() ?? null,
): TileKernel {
  if (native) return onAddon(new Float64Array(doubles), native);
  return createSharedKernel(createSharedMemory(doubles * 8), native);
}

/** The same on memory that threads share. */
export function createSharedKernel(
  memory: SharedMemory,
  native: NativeKernels | null = nativeKernels() ?? null,
): TileKernel {
  const doubles = new Float64Array(bufferOf(memory));
  if (native) return onAddon(doubles, native);
  const { multiply } = wasmKernels(memory);
  const kernel: TileKernel = {
    memory: doubles,
    multiply(a, aStep, b, bStep, bGroupStep, groups, depth, c, cStep) {
      multiply(a * 8, aStep * 8, b * 8, bStep * 8, bGroupStep * 8, groups, depth, c * 8, cStep * 8);
    },
    multiplyBlock(a, b, step, tall, wide, depth, c, cStep) {
      for (let i = 0; i < tall; i++) {
        const j = a === b ? i - (i % 2) : 0;
        const [from, to, sums] = [a + i * step, b + j * step, c + (i * cStep + j) * TILE];
        kernel.multiply(from, TILE, to, TILE, step, wide - j, depth, sums, cStep);
      }
    },
  };
  return kernel;
}

function onAddon(memory: Float64Array, native: NativeKernels): TileKernel {
  return {
    memory,
    multiply: (...places) => native.multiply(memory, ...places),
    multiplyBlock(a, b, step, tall, wide, depth, c, cStep, isExact = false, wholeRow = 0) {
      const exact = Number(isExact);
      native.multiplyBlock(memory, a, b, step, tall, wide, depth, c, cStep, exact, wholeRow);
    },
  };
}

/** Fills the panels that the products need, and makes them ready: by the addon, else in WebAssembly. */
export function createPanelKernel(
  memory: SharedMemory,
  native: NativeKernels | null = nativeKernels() ?? null,
): PanelKernel {
  if (native) {
    const doubles = new Float64Array(bufferOf(memory));
    return {
      pack: (floats, ...places) => native.pack(floats, doubles, ...places),
      centre: (...places) => native.centre(doubles, ...places),
    };
  }
  const { pack, centre } = wasmKernels(memory);
  return {
    pack(_floats, rows, rowStep, count, columns, to, groupStep) {
      const groups = quadsOf(columns);
      return pack(rows * 4, rowStep * 4, count, groups, to * 8, groupStep * 8) !== 0;
    },
    centre(panel, groupStep, groups, rows, joinRow, origin, means, weight, share) {
      const [from, step] = [panel * 8, groupStep * 8];
      centre(from, step, groups, rows, joinRow, origin * 8, means * 8, weight, share);
    },
  };
}

/**
 * The one product under everything in this folder, in float64, on one flat memory. Offsets and steps
 * count doubles.
 *
 * `multiply` adds to `groups` tiles of 4 x 4 that are side by side in C:
 *   C[r][4 g + s] += sum over p < depth of A[p][r] * B[g][p][s]
 * with A[p] at `a + p * aStep`, B[g][p] at `b + g * bGroupStep + p * bStep` (4 doubles each) and
 * C[r] at `c + r * cStep`. Each sum starts at zero, runs in the order of p and is added to C once,
 * every product and sum rounded to float64: so each implementation gives the same bits.
 */
export interface TileKernel {
  readonly memory: Float64Array;
  multiply(
    a: number,
    aStep: number,
    b: number,
    bStep: number,
    bGroupStep: number,
    groups: number,
    depth: number,
    c: number,
    cStep: number,
  ): void;
  /**
   * The same for `tall` groups of columns of a panel A by `wide` of a panel B, both [group][row][4] and `groupStep` apart
   * from group to group; where both are the same columns, tiles below the diagonal's of 8 x 8 are left out.
   * @param isExact whether each product is exact in float64, as those of float32 values are: then the addon may fuse it
   *   with the sum, which rounds the same
   * @param wholeRow where `centre` has put whole numbers, in rows from a panel's first one; 0 where there are none
   */
  multiplyBlock(...places: [...BlockPlaces, isExact?: boolean, wholeRow?: number]): void;
}

type BlockPlaces = [
  a: number,
  b: number,
  groupStep: number,
  tall: number,
  wide: number,
  depth: number,
  c: number,
  cStep: number,
];

/** Rows that a panel has for its values as whole numbers. */
export const WHOLE_ROWS = 65;

/** Edge of a tile; operands are padded with zeros to a multiple of it. */
export const TILE = 4;

export function padToTile(size: number): number {
  return TILE * quadsOf(size);
}

/** Steps that a row takes: four values each, the last one padded with zeros. */
export function quadsOf(size: number): number {
  return Math.ceil(size / TILE);
}

/** Copies up to four rows of a block [b, length] from `first` on as [length][4]; zeros where there is none. */
export function loadFour(
  memory: Float64Array,
  at: number,
  block: Float64Array,
  length: number,
  first: number,
): void {
  for (let v = 0; v < TILE; v++) {
    const from = (first + v) * length;
    const isThere = from < block.length;
    for (let i = 0; i < length; i++) memory[at + i * TILE + v] = isThere ? block[from + i] : 0;
  }
}

/** Panels of rows, float64 [group][row][4]: the operands of a TileKernel. Places and steps count doubles, those of rows floats. */
export interface PanelKernel {
  /**
   * Copies columns of float32 rows into a panel: to[group][row][4] = rows[row][4 group ...].
   * @param floats those of the kernel's memory; the addon takes any.
   * @returns whether all values are finite
   */
  pack(
    floats: Float32Array,
    rows: number,
    rowStep: number,
    count: number,
    columns: number,
    to: number,
    groupStep: number,
  ): boolean;
  /**
   * Makes each column relative to its first value where no value is more than twice another, which float32 holds exactly
   * (Sterbenz): so no digits are lost where a mean is far from zero, and each product of two values is exact in float64.
   * With m the mean of a column then, and delta what its mean is beyond origin + means, writes the two rows
   * -rows m, weight delta and the two rows m, weight delta from `joinRow` on: the products of the first two with the last two
   * complete the panel's scatter matrix. Adds share delta to the means. The addon writes into the WHOLE_ROWS rows after those
   * the values once more, where all are whole and small (as pixels are): their products are exact in int32, and take a quarter
   * of the time.
   */
  centre(
    panel: number,
    groupStep: number,
    groups: number,
    rows: number,
    joinRow: number,
    origin: number,
    means: number,
    weight: number,
    share: number,
  ): void;
}

type PackPlaces =
  Parameters<PanelKernel['pack']> extends [unknown, ...infer Places] ? Places : never;

/** What native/reduce/addon.cc exports; places and steps count elements of the arrays given. */
export interface NativeKernels {
  /** Whether this CPU has the instructions. */
  readonly isSupported: boolean;
  multiply(memory: Float64Array, ...places: Parameters<TileKernel['multiply']>): void;
  multiplyBlock(
    memory: Float64Array,
    ...places: [...BlockPlaces, isExact: number, wholeRow: number]
  ): void;
  pack(floats: Float32Array, doubles: Float64Array, ...places: PackPlaces): boolean;
  centre(doubles: Float64Array, ...places: Parameters<PanelKernel['centre']>): void;
  /** See row-kernel.ts. */
  addRows(
    floats: Float32Array,
    doubles: Float64Array,
    rows: number,
    shift: number,
    vectors: number,
    sums: number,
    n: number,
    quads: number,
    groups: number,
  ): void;
  /** See column-moments.ts; false when a value is not finite. */
  addColumns(
    rows: Float32Array,
    origin: Float64Array,
    means: Float64Array,
    squares: Float64Array,
    n: number,
    dims: number,
    count: number,
  ): boolean;
}

let loaded: LoadedAddon<NativeKernels> | undefined;

/** The addon, loaded on first use in each thread; undefined where it is not available. */
export function nativeKernels(): NativeKernels | undefined {
  return load().addon;
}

/** Why WebAssembly's kernels are used; undefined when the addon is. */
export function whyNoKernels(): string | undefined {
  return load().why;
}

function load(): LoadedAddon<NativeKernels> {
  loaded ??= loadAddon<NativeKernels>('kernels', ({ isSupported }) =>
    isSupported ? undefined : 'this CPU lacks AVX2',
  );
  return loaded;
}

type Run = (...places: number[]) => void;

/** What native/wasm/reduce.ts exports; places and steps are in bytes. */
export interface WasmKernels {
  readonly multiply: Run;
  /** 1 where all values are finite. */
  readonly pack: (...places: number[]) => number;
  readonly centre: Run;
  readonly project: Run;
  readonly back: Run;
  /** 1 where all values are finite. */
  readonly addRow: (...places: number[]) => number;
}

/** The kernels on a memory. @throws RuntimeError where WebAssembly, or memory for it, is not available */
export function wasmKernels(memory: SharedMemory): WasmKernels {
  if (memory instanceof SharedArrayBuffer) {
    throw new RuntimeError(
      'Expected memory for WebAssembly in the PCA but found that 10 GB of address space could not be reserved.',
      {
        fix: 'Raise the limit of the address space (ulimit -v), or let `img2features setup` build the addon with a C++ compiler.',
      },
    );
  }
  return startWasm('reduce', memory);
}

/** Memory that threads share, where the kernels' code can reach it. */
export type SharedMemory = WebAssembly.Memory | SharedArrayBuffer;

/** Zeroed; without WebAssembly's memory (its guard pages need 10 GB of address space) a plain one, for the addon alone. */
export function createSharedMemory(bytes: number): SharedMemory {
  const pages = Math.ceil(bytes / 65536);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch {
    return new SharedArrayBuffer(pages * 65536);
  }
}

export function bufferOf(memory: SharedMemory): SharedArrayBuffer {
  return (memory instanceof SharedArrayBuffer ? memory : memory.buffer) as SharedArrayBuffer;
}
