import { createPlainKernel } from './plain-kernel.ts';
import { createSimdKernel } from './simd-kernel.ts';
import type { TileKernel } from './tile-kernel.ts';

/**
 * The fastest kernel that works here, on a zeroed memory of so many doubles. The plain one takes over,
 * some five times slower and with the same bits, where WebAssembly's vectors or its memory (whose
 * guard pages want 10 GB of address space) are not to be had.
 */
export function createKernel(doubles: number): TileKernel {
  try {
    return createSimdKernel(doubles);
  } catch {
    return createPlainKernel(doubles);
  }
}
