import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../files/put-in-place.ts';
import { rename } from '../files/rename.ts';
import { storageError } from '../storage/storage-error.ts';

/** An update's own state is in this folder of the work folder, in the same form as a run's. */
export const UPDATE_FOLDER = 'update';

/** In the work folder: of a run that made a split, the split of each image of its list, a byte each. */
export const SPLIT_FILE = 'split.bin';

/** From here on the update's table replaces the old one: see {@link isPublishing}. */
export const PUBLISHING_FILE = 'publishing.json';

/** True while an update was stopped after it had begun to replace the old table: it must be resumed. */
export function isPublishing(workDir: string): boolean {
  return existsSync(join(workDir, UPDATE_FOLDER, PUBLISHING_FILE));
}

/**
 * Makes the state of a finished update the state of the run. Every step can be repeated, and the mark
 * that asks for them (`update/finished.json`) is removed last: after a kill at any moment the next start completes it.
 *
 * @param workDir whose lock is held
 */
export async function promoteUpdate(workDir: string): Promise<void> {
  const update = join(workDir, UPDATE_FOLDER);
  if (!existsSync(join(update, 'finished.json'))) return;
  try {
    await moveIfThere(join(update, 'manifest.jsonl'), join(workDir, 'manifest.jsonl'));
    await moveIfThere(join(update, SPLIT_FILE), join(workDir, SPLIT_FILE));
    if (existsSync(join(update, 'shards'))) {
      for (const name of await readdir(join(update, 'shards'))) {
        // The rows are in the table by now.
        if (!name.endsWith('.json')) await rm(join(update, 'shards', name));
      }
      await rm(join(workDir, 'shards'), { recursive: true, force: true });
      await rename(join(update, 'shards'), join(workDir, 'shards'));
    }
    await moveIfThere(join(update, 'identity.json'), join(workDir, 'identity.json'));
    await syncFolder(workDir);
    for (const name of await readdir(update)) {
      if (name !== 'finished.json') await rm(join(update, name), { recursive: true, force: true });
    }
    await syncFolder(update);
    await rm(update, { recursive: true });
  } catch (error) {
    throw storageError(error, 'the work folder', workDir);
  }
}

async function moveIfThere(from: string, to: string): Promise<void> {
  if (existsSync(from)) await rename(from, to);
}
