import { type NativeKernels, nativeKernels } from './native-kernels.ts';
import { bufferOf, createSharedMemory, type SharedMemory } from './shared-memory.ts';
import type { Pack, TileKernel } from './tile-kernel.ts';
import { wasmKernels } from './wasm-kernels.ts';

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
