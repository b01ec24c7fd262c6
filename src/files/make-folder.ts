import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../errors.ts';

/**
 * Makes a folder and those above it that are missing. Node's recursive mkdir never ends where a folder is there that
 * takes no others (/proc), and says of a read-only file system that nothing is there.
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

/** @throws ENOTDIR where a file stands in its place, or on the way to it */
function isThere(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || stats.isDirectory()) return stats !== undefined;
  throw Object.assign(new Error(`ENOTDIR: a file stands at ${path}`), { code: 'ENOTDIR' });
}
