import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';

/**
 * CUDA's libraries as TensorFlow 2.21 opens them: by these names, while it works, wherever the dynamic loader finds them.
 * The first seven before it uses any GPU; the others are opened by cuDNN and cuSOLVER when they are needed.
 */
export const GPU_LIBRARIES: readonly string[] = [
  'libcudart.so.12',
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcudnn.so.9',
  'libcufft.so.11',
  'libcusolver.so.11',
  'libcusparse.so.12',
  'libcudnn_graph.so.9',
  'libcudnn_ops.so.9',
  'libcudnn_cnn.so.9',
  'libcudnn_heuristic.so.9',
  'libcudnn_engines_precompiled.so.9',
  'libcudnn_engines_runtime_compiled.so.9',
  'libnvrtc.so.12',
  'libnvJitLink.so.12',
];

/**
 * Opens a library in this process, whose environment must be `libraryEnvironment`.
 * @returns what the loader said when it could not
 */
export function tryToOpen(name: string): string | undefined {
  try {
    process.dlopen({ exports: {} }, name);
  } catch (error) {
    const { message } = error as Error;
    // Node has opened it, found no addon in it and closed it again.
    return message.startsWith('Module did not self-register') ? undefined : message;
  }
  return undefined;
}

/**
 * TensorFlow 2.21's loader looks for all of CUDA's libraries in NVIDIA's folders but for this one, and uses no GPU
 * without it: by a hard link it is in a folder that is searched. Our own processes need no link (`libraryEnvironment`).
 */
export const LINKED = {
  path: 'nvidia/cusparse/lib/libcusolver.so.11',
  target: 'nvidia/cusolver/lib/libcusolver.so.11',
} as const;

/** @returns whether it was made now; not where it is there, or on a disk without hard links */
export async function linkLibraries(dir: string): Promise<boolean> {
  try {
    await link(join(dir, LINKED.target), join(dir, LINKED.path));
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
