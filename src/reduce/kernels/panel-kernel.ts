import { type NativeKernels, nativeKernels } from './native-kernels.ts';
import { bufferOf, type SharedMemory } from './shared-memory.ts';
import { wasmKernels } from './wasm-kernels.ts';

/**
 * Lays out columns of float32 rows for a TileKernel: to[group][row][4] = rows[row][4 group ...] - shift, in float64. Places
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

/** By the addon, else in WebAssembly: the same bits. */
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
