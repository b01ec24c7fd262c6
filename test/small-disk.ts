import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A file system in memory that is really full, or really read-only. */
export interface SmallDisk {
  readonly path: string;
  /** Whether this machine lets the tests mount one. */
  readonly isMounted: boolean;
  /** @param options of mount, e.g. "ro" or "size=64m"; false where it refused */
  remount(options: string): boolean;
}

/** Mounts a disk for this test file, and takes it away after its tests. @param size as tmpfs takes it, e.g. "1m" */
export function smallDisk(size: string): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), 'img2features-disk-'));
  const mount = (...args: string[]) => {
    try {
      execFileSync('mount', [...args, path], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  const isMounted = mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs');
  afterAll(() => {
    // Lazily: a process that was killed may hold a file for a moment.
    if (isMounted) execFileSync('umount', ['-l', path]);
    rmSync(path, { recursive: true });
  });
  return { path, isMounted, remount: (options) => mount('-o', `remount,${options}`) };
}
