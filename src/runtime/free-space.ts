import { lstat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Room for a folder that need not exist yet. */
export interface FreeSpace {
  /** The folder itself, or the nearest above it that exists. */
  readonly existing: string;
  /** What this user may still write there; undefined where the system does not say. */
  readonly bytes: number | undefined;
}

export async function freeSpace(path: string): Promise<FreeSpace> {
  const existing = await nearestExisting(resolve(path));
  const space = await statfs(existing).catch(() => undefined);
  return { existing, bytes: space === undefined ? undefined : space.bavail * space.bsize };
}

async function nearestExisting(path: string): Promise<string> {
  // A broken link exists: no folder can be made in its place.
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined || dirname(path) === path ? path : nearestExisting(dirname(path));
}
