import { type NativeKernels, nativeKernels } from './native-kernels.ts';
import { bufferOf, createSharedMemory, type SharedMemory } from './shared-memory.ts';
import { wasmKernels } from './wasm-kernels.ts';

/**
 * The one product under everything in this room, in float64, on one flat memory. Offsets and steps
 * count doubles.
 *
 * `multiply` adds to `groups` tiles of 4 x 4 that lie side by side in C:
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
  return Math.ceil(size / TILE) * TILE;
}

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
