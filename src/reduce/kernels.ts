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
  return {
    memory: doubles,
    multiply(a, aStep, b, bStep, bGroupStep, groups, depth, c, cStep) {
      multiply(a * 8, aStep * 8, b * 8, bStep * 8, bGroupStep * 8, groups, depth, c * 8, cStep * 8);
    },
  };
}

function onAddon(memory: Float64Array, native: NativeKernels): TileKernel {
  return { memory, multiply: (...places) => native.multiply(memory, ...places) };
}

/** Copies rows into the layout that it needs: by the addon, else in WebAssembly. */
export function createPack(
  memory: SharedMemory,
  native: NativeKernels | null = nativeKernels() ?? null,
): Pack {
  if (native) {
    const floats = new Float32Array(bufferOf(memory));
    const doubles = new Float64Array(bufferOf(memory));
    return (...places) => native.pack(floats, doubles, ...places);
  }
  const { pack } = wasmKernels(memory);
  return (rows, rowStep, count, shift, groups, to, groupStep) => {
    pack(rows * 4, rowStep * 4, count, shift * 8, groups, to * 8, groupStep * 8);
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
}

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

/**
 * Copies columns of float32 rows into the layout of a TileKernel: to[group][row][4] = rows[row][4 group ...] - shift, in float64. Places
 * and steps count floats for the rows, doubles for the rest.
 */
export type Pack = (
  rows: number,
  rowStep: number,
  count: number,
  shift: number,
  groups: number,
  to: number,
  groupStep: number,
) => void;

/** What native/reduce/addon.cc exports; places and steps count elements of the arrays given. */
export interface NativeKernels {
  /** Whether this CPU has the instructions. */
  readonly isSupported: boolean;
  multiply(memory: Float64Array, ...places: Parameters<TileKernel['multiply']>): void;
  pack(floats: Float32Array, doubles: Float64Array, ...places: Parameters<Pack>): void;
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
  readonly pack: Run;
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
