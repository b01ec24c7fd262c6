import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { RunError } from '../errors.ts';
import type { FileLock } from '../files/lock-file.ts';
import { makeFolder } from '../files/make-folder.ts';
import { acquireRunLock } from '../storage/run-lock.ts';
import { storageError } from '../storage/storage-error.ts';

/**
 * Makes the work folder of a run and takes its lock.
 * @param target the run as messages name it
 * @throws RunError when another process uses it, or links lead out of it; ExportError when it cannot be written
 */
export async function lockWorkFolder(dir: string, target = dir): Promise<FileLock> {
  refuseLinks(dir);
  try {
    makeFolder(join(dir, 'shards'));
  } catch (error) {
    throw storageError(error, 'the work folder', dir);
  }
  return acquireRunLock(join(dir, 'lock'), target);
}

/**
 * Folders of a run's state are cleaned and written: none of them may lead out of it. Its files need no such check, as
 * they are replaced, never written through.
 */
function refuseLinks(dir: string): void {
  for (const folder of ['', 'shards', 'update', 'update/shards', 'update/reused']) {
    const path = join(dir, folder);
    if (!isLink(path)) continue;
    throw new RunError(
      `Expected a folder of the run's own at ${path} but found a symbolic link, which may lead anywhere.`,
      { fix: 'Remove the link; --work-dir names another place for the state of a run.' },
    );
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false; // not there, or not readable: the code that creates it reports that
  }
}
