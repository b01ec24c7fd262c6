/**
 * Files and folders that are complete under their name or do not exist: made beside it under a hidden name of this process,
 * synced and renamed. What killed processes of this machine left is removed when the next one makes the same.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isRunning } from './lock-file.ts';
import { makeFolder } from './make-folder.ts';
import { rename } from './rename.ts';

/** Ends the name of an old folder that is renamed while the new one replaces it. */
const RETIRED = '-old';

export interface FolderReplacement<T> {
  /** False: only a missing or empty target may be replaced. */
  readonly overwrite: boolean;
  /** Throws when the target must stay; called before the work and again before the rename. */
  readonly check?: () => Promise<void>;
  /** Writes and syncs the content of the new folder. */
  readonly fill: (temp: string) => Promise<T>;
}

/**
 * Makes a folder that appears whole or not at all. On any failure the hidden folder is removed and `target` is unchanged.
 * @param target absolute path
 * @returns what `fill` does
 */
export async function replaceFolder<T>(
  target: string,
  { overwrite, check, fill }: FolderReplacement<T>,
): Promise<T> {
  return replace(target, check, async (temp) => {
    await mkdir(temp);
    const filled = await fill(temp);
    await syncFolder(temp);
    await check?.();
    await moveFolder(temp, target, overwrite);
    return filled;
  });
}

/** Makes a file that appears whole or not at all, in place of an existing one. @param fill writes it, without a sync */
export async function replaceFile(
  target: string,
  fill: (temp: string) => Promise<void>,
): Promise<void> {
  await replace(target, undefined, async (temp) => {
    await fill(temp);
    const handle = await open(temp, 'r+');
    await handle.sync().finally(() => handle.close());
    await rename(temp, target);
  });
}

async function replace<T>(
  target: string,
  check: (() => Promise<void>) | undefined,
  make: (temp: string) => Promise<T>,
): Promise<T> {
  const parent = dirname(target);
  const prefix = `.${basename(target)}.img2features-${hostname()}-`;
  const temp = join(parent, `${prefix}${process.pid}-${randomBytes(4).toString('hex')}`);
  makeFolder(parent);
  await clearLeftovers(target, prefix);
  await check?.();
  const made = await make(temp).catch(async (error: unknown) => {
    // The user must see the first error, even where cleaning up fails too.
    await rm(temp, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  });
  await syncFolder(parent);
  return made;
}

/** Whether a name is that of something that is being made, or was when its process was killed. */
export function isHiddenName(name: string): boolean {
  return /^\..+\.img2features-.+-\d+-[0-9a-f]{8}(-old)?$/.test(name);
}

/** One killed between its two renames left the renamed old folder and no target: the old folder is renamed back. */
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

async function moveFolder(temp: string, target: string, overwrite: boolean): Promise<void> {
  const retired = `${temp}${RETIRED}`;
  let isRetired = false;
  try {
    // A folder cannot be renamed over a filled one: an old one is renamed, an empty one is removed.
    if (overwrite) await rename(target, retired);
    else await rmdir(target);
    isRetired = overwrite;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  try {
    await rename(temp, target);
  } catch (error) {
    if (isRetired) await restore(retired, target);
    throw error;
  }
  if (isRetired) await rm(retired, { recursive: true, force: true });
}

/** Renames the old folder back; where another process has put its own there meanwhile, the old one is removed. */
async function restore(retired: string, target: string): Promise<void> {
  try {
    await rename(retired, target);
  } catch (error) {
    // Windows says EPERM.
    const isTaken = ['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '') || existsSync(target);
    if (!isTaken) throw error;
    await rm(retired, { recursive: true, force: true });
  }
}

/** A rename survives a power cut only once the folder itself is synced. */
export async function syncFolder(path: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    await handle.sync();
  } catch (error) {
    // Windows and some network file systems cannot sync a folder; there only the rename is possible.
    if (!['EINVAL', 'EISDIR', 'EPERM', 'ENOTSUP', 'EBADF'].includes(errnoOf(error) ?? '')) {
      throw error;
    }
  } finally {
    await handle?.close();
  }
}
