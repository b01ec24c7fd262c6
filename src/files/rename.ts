import { rename as renameOnce } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';

const WAITS = 40;
const WAIT_MS = 50;

/**
 * Renames a file or folder. Windows refuses it while another program (a virus scanner, the search index) has one of the two
 * open, mostly for some milliseconds.
 */
export async function rename(
  from: string,
  to: string,
  { platform = process.platform as string, once = renameOnce, waitMs = WAIT_MS } = {},
): Promise<void> {
  for (let waits = 0; ; waits++) {
    try {
      return await once(from, to);
    } catch (error) {
      const isPassing = ['EPERM', 'EACCES', 'EBUSY'].includes(errnoOf(error) ?? '');
      if (platform !== 'win32' || !isPassing || waits === WAITS) throw error;
      await delay(waitMs);
    }
  }
}
