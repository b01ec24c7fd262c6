import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isRunning } from '../is-running.ts';
import { makeFolder } from '../make-folder.ts';

/** Ends the name of an old folder that steps aside while the new one takes its place. */
const RETIRED = '-old';

export interface FolderReplacement {
  /** False: only a missing or empty target may be replaced. */
  readonly overwrite: boolean;
  /** Throws when the target must stay; asked before the work and again before the rename. */
  readonly check: () => Promise<void>;
  /** Writes and syncs the content of the new folder. */
  readonly fill: (temp: string) => Promise<void>;
}

/**
 * Makes a folder that appears whole or not at all: filled under a hidden name beside `target`, then
 * renamed. On any failure the hidden folder goes and `target` is what it was.
 * @param target absolute path
 */
export async function replaceFolder(target: string, replacement: FolderReplacement): Promise<void> {
  const { overwrite, check, fill } = replacement;
  const parent = dirname(target);
  const prefix = `.${basename(target)}.img2features-${hostname()}-`;
  const temp = join(parent, `${prefix}${process.pid}-${randomBytes(4).toString('hex')}`);
  makeFolder(parent);
  await clearLeftovers(target, prefix);
  await check();
  await mkdir(temp);
  try {
    await fill(temp);
    await syncFolder(temp);
    await check();
    await moveIntoPlace(temp, target, overwrite);
  } catch (error) {
    // What went wrong first is what the user must see, also where cleaning up fails.
    await rm(temp, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(parent);
}

/**
 * Folders that killed writers to the same target left on this machine. One killed between its two
 * renames left the old folder aside and no target: the old folder comes back.
 */
async function clearLeftovers(target: string, prefix: string): Promise<void> {
  const parent = dirname(target);
  for (const name of await readdir(parent)) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : 0;
    if (!(pid > 0) || isRunning(pid)) continue;
    const leftover = join(parent, name);
    const isLost = name.endsWith(RETIRED) && !existsSync(target);
    if (isLost) await rename(leftover, target);
    else await rm(leftover, { recursive: true, force: true });
  }
}

async function moveIntoPlace(temp: string, target: string, overwrite: boolean): Promise<void> {
  const retired = `${temp}${RETIRED}`;
  let isRetired = false;
  try {
    // A folder cannot be renamed over a filled one: an old one steps aside, an empty one goes.
    if (overwrite) await rename(target, retired);
    else await rmdir(target);
    isRetired = overwrite;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  try {
    await rename(temp, target);
  } catch (error) {
    if (isRetired) await rename(retired, target);
    throw error;
  }
  if (isRetired) await rm(retired, { recursive: true, force: true });
}

async function syncFolder(dir: string): Promise<void> {
  // Windows cannot open a folder; its renames are journalled by the file system.
  if (process.platform === 'win32') return;
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
