import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../errors.ts';

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
