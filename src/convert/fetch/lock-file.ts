import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { errnoOf, ModelError } from '../../errors.ts';
import { isRunning } from '../../is-running.ts';
import { makeFolder } from '../../make-folder.ts';

/**
 * Runs `work` while `<path>.lock` says that this process does. A lock whose process is gone is taken
 * over; on another machine nobody can tell, so that one stays.
 * @throws ModelError when another process holds it
 */
export async function withLockFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  makeFolder(dirname(path), 0o700);
  await take(lock, path, true);
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string, path: string, mayRetry: boolean): Promise<void> {
  try {
    await writeFile(lock, `${process.pid} ${hostname()}`, { flag: 'wx' });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    const [pid, host] = (await readFile(lock, 'utf8').catch(() => '')).split(' ');
    if (mayRetry && host === hostname() && !isRunning(Number(pid))) {
      await rm(lock, { force: true });
      await take(lock, path, false);
      return;
    }
    throw new ModelError(
      `Expected to fetch ${path} alone but found process ${pid || '?'} on ${host || '?'} doing it.`,
      { fix: `Wait for it; if there is none, remove ${lock}.`, cause: error },
    );
  }
}
