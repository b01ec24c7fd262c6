import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../errors.ts';

/**
 * Makes a folder and those above it that are missing. Node's recursive mkdir never ends below a folder that
 * cannot hold new ones (/proc), and reports ENOENT on a read-only file system.
 */
export function makeFolder(path: string, mode?: number): void {
  const missing: string[] = [];
  for (let above = resolve(path); !isThere(above); above = dirname(above)) missing.push(above);
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder, { mode });
    } catch (error) {
      // Another process may have made it meanwhile.
      if (errnoOf(error) !== 'EEXIST' || !isThere(folder)) throw error;
    }
  }
}

/** @throws ENOTDIR where a file is in its place, or in the place of a folder above it */
function isThere(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || stats.isDirectory()) return stats !== undefined;
  throw Object.assign(new Error(`ENOTDIR: a file is at ${path}`), { code: 'ENOTDIR' });
}
