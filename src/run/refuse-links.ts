import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { RunError } from '../errors.ts';

/**
 * Folders of a run's state are cleaned and written: none of them may lead out of it. Its files need no such check, as
 * they are replaced, never written through.
 *
 * @param dir the work folder
 * @throws RunError
 */
export function refuseLinks(dir: string): void {
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
