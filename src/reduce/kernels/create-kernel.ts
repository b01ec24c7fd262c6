import { type NativeKernels, nativeKernels } from './native-kernels.ts';
import { createPlainKernel } from './plain-kernel.ts';
import { bufferOf, type SharedMemory } from './shared-memory.ts';
import { createSharedSimdKernel, createSimdKernel } from './simd-kernel.ts';
import type { TileKernel } from './tile-kernel.ts';

/**
 * The fastest kernel that works here, on a zeroed memory of so many doubles: the addon, else WebAssembly's vectors.
 * The plain one takes over, some five times slower and with the same bits, where neither these nor their memory (whose
 * guard pages want 10 GB of address space) are to be had.
 */
export function createKernel(doubles: number): TileKernel {
  const native = nativeKernels();
  if (native) return createNativeKernel(new Float64Array(doubles), native);
  try {
    return createSimdKernel(doubles);
  } catch {
    return createPlainKernel(new Float64Array(doubles));
  }
}

/** The same on memory that threads share. */
export function createSharedKernel(memory: SharedMemory, native = nativeKernels()): TileKernel {
  const doubles = new Float64Array(bufferOf(memory));
  if (native) return createNativeKernel(doubles, native);
  try {
    return createSharedSimdKernel(memory);
  } catch {
    return createPlainKernel(doubles);
  }
}

/** By the addon: four doubles at a time, the same bits. */
export function createNativeKernel(memory: Float64Array, native: NativeKernels): TileKernel {
  return { memory, multiply: (...places) => native.multiply(memory, ...places) };
}
