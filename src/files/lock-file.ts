import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, RunError } from '../errors.ts';
import { makeFolder } from './make-folder.ts';

/**
 * One process at a time. The lock is a file that says who holds it; it appears whole, by link(2), which fails when the
 * name is taken. Whether a holder on this machine has ended is known by its process id, boot and start time; on another
 * machine, or with a file that names nobody, by a file that was not touched for `staleMs`.
 */
export interface FileLock {
  release(): Promise<void>;
}

export interface LockOptions {
  /**
   * Called at each check that finds the lock held: throws to give up, or resolves when it is time for the next check.
   * @param holder undefined where the file names nobody; then `cause` says what was found
   */
  readonly onHeld: (holder: Holder | undefined, cause?: unknown) => void | Promise<void>;
  /** Milliseconds between touches by the holder; default 30 s. */
  readonly beatMs?: number;
  /** Milliseconds without a touch after which another process may take the lock; default 10 minutes. */
  readonly staleMs?: number;
}

/** A lock file that is there: who holds it, or why it does not say so. */
interface Found {
  readonly holder?: Holder;
  readonly cause?: unknown;
}

/** Locks that guard the removal of a stale lock, which can be stale in turn. */
const MAX_DEPTH = 4;

/**
 * Takes the lock; one whose holder has ended is replaced. A missing folder is made, for this user only.
 * @throws what `onHeld` throws; errors of the file system
 */
export async function acquireLock(path: string, options: LockOptions): Promise<FileLock> {
  makeFolder(dirname(path), 0o700);
  const nonce = await take(path, options, 0);
  const beat = setInterval(() => {
    const now = new Date();
    // One failed touch does not matter; the next one may succeed.
    utimes(path, now, now).catch(() => undefined);
  }, options.beatMs ?? 30_000);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      await releaseOwn(path, nonce);
    },
  };
}

export interface WaitOptions extends Pick<LockOptions, 'beatMs' | 'staleMs'> {
  /** Called once when another process holds the lock. */
  readonly onWait?: ((holder: Holder) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Waits until this process holds the lock. @throws the signal's reason; errors of the file system */
export async function waitForLock(path: string, options: WaitOptions = {}): Promise<FileLock> {
  const { onWait, signal, beatMs = 2000, staleMs = 30_000 } = options;
  signal?.throwIfAborted();
  let isTold = false;
  const onHeld = async (holder: Holder | undefined, cause: unknown): Promise<void> => {
    if (errnoOf(cause) !== undefined) throw cause;
    if (holder !== undefined && !isTold) onWait?.(holder);
    isTold ||= holder !== undefined;
    await delay(Math.min(beatMs, 500), undefined, { signal });
  };
  return acquireLock(path, { onHeld, beatMs, staleMs });
}

/** @returns the nonce of the lock now held */
async function take(path: string, options: LockOptions, depth: number): Promise<string> {
  const nonce = randomUUID();
  for (let attempt = 0; attempt < 20; attempt++) {
    if (await tryLink(path, nonce)) return nonce;
    const found = await readLock(path);
    if (found === undefined) continue;
    if (depth >= MAX_DEPTH || (await isHeld(path, found, options))) {
      await options.onHeld(found.holder, found.cause);
      attempt = 0;
    } else {
      await removeStale(path, options, depth);
    }
  }
  throw new RunError(
    `Expected to lock ${path} but found that other processes took it at each try.`,
  );
}

/**
 * Only the holder of the guard removes a stale lock, and checks again before it does: of two processes that try, the
 * second then finds the first one's new lock and leaves it.
 */
async function removeStale(path: string, options: LockOptions, depth: number): Promise<void> {
  const guard = `${path}.takeover`;
  const nonce = await take(guard, options, depth + 1);
  try {
    const found = await readLock(path);
    if (found !== undefined && !(await isHeld(path, found, options))) {
      await rm(path, { force: true });
    }
  } finally {
    await releaseOwn(guard, nonce);
  }
}

async function tryLink(path: string, nonce: string): Promise<boolean> {
  const temp = `${path}.${nonce}`;
  const text = `${JSON.stringify({ ...ownIdentity(), nonce })}\n`;
  try {
    await writeFile(temp, text);
    await link(temp, path).catch((error) => {
      // No hard links here (exFAT, some network shares): exclusive, though not whole at once.
      if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(errnoOf(error) ?? '')) throw error;
      return writeFile(path, text, { flag: 'wx' });
    });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    // The first failure is the one to report.
    await rm(temp, { force: true }).catch(() => undefined);
  }
}

async function releaseOwn(path: string, nonce: string): Promise<void> {
  const found = await readLock(path);
  // One that cannot be removed (the disk is read-only by now) is stale once this process has ended.
  if (found?.holder?.nonce === nonce) await rm(path, { force: true }).catch(() => undefined);
}

async function readLock(path: string, attempts = 3): Promise<Found | undefined> {
  try {
    const holder = JSON.parse(await readFile(path, 'utf8')) as Holder;
    if (typeof holder?.pid === 'number' && typeof holder.host === 'string') return { holder };
    return { cause: new Error('no process id and host') };
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    if (!(cause instanceof SyntaxError) || attempts === 1) return { cause };
    await delay(50);
    return readLock(path, attempts - 1);
  }
}

async function isHeld(
  path: string,
  { holder, cause }: Found,
  { staleMs = 600_000 }: LockOptions,
): Promise<boolean> {
  // What cannot be read is not ours to remove.
  if (errnoOf(cause) !== undefined) return true;
  return (holder && livesHere(holder)) ?? isFresh(path, staleMs);
}

/** Age by the file system's own clock, which all machines that share it read. */
async function isFresh(path: string, staleMs: number): Promise<boolean> {
  const probe = `${path}.${randomUUID()}`;
  try {
    await writeFile(probe, '');
    const [now, lock] = await Promise.all([stat(probe), stat(path)]);
    return now.mtimeMs - lock.mtimeMs < staleMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    await rm(probe, { force: true }).catch(() => undefined);
  }
}

/** Who holds a lock, and whether that process still runs; a process is known by its id, boot and start time. */

export interface Holder {
  readonly pid: number;
  /** Host name and, on Linux, process namespace: a pid means something only there. */
  readonly host: string;
  readonly boot: string;
  /** When the process started, as the kernel counts; distinguishes a reused pid from the holder. */
  readonly started: string;
  readonly nonce: string;
}

/** Whether a process of this machine runs; undefined for one of another machine. */
export function livesHere(holder: Omit<Holder, 'nonce'>): boolean | undefined {
  const own = ownIdentity();
  if (holder.host !== own.host) return undefined;
  return holder.boot === own.boot && startOf(holder.pid) === holder.started;
}

/** Who this process is, so that another can find whether it still runs. */
export function ownIdentity(): Omit<Holder, 'nonce'> {
  return {
    pid: process.pid,
    host: [hostname(), tryRead(() => readlinkSync('/proc/self/ns/pid'))].join(' ').trim(),
    boot: tryRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    started: startOf(process.pid) ?? '',
  };
}

/** Start of a process in kernel ticks since boot, '' where the system does not say; undefined when it has ended. */
function startOf(pid: number): string | undefined {
  if (!isRunning(pid)) return undefined;
  // The second field, the name, may hold spaces and brackets: count from its closing bracket.
  const stat = tryRead(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie process holds no lock any more.
  return fields[0] === 'Z' ? undefined : (fields[19] ?? '');
}

function tryRead(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Whether a process of this machine lives; a number that is none counts as dead. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM'; // it lives, under another user
  }
}
