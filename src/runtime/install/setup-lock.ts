/**
 * One setup at a time for a cache folder. The lock spares double work; that a finished install is
 * never half made does not hang on it (that is the rename's doing).
 *
 * A lock file names its owner and is touched every few seconds. It counts as left behind when its
 * process is gone on this machine, or when nobody has touched it for a while, as timed by the
 * waiter's own clock: machines that share a disk need not agree on the time.
 */
import { randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { type FileHandle, link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../errors.ts';
import { isRunning } from '../../is-running.ts';
import { makePrivateFolder } from '../trusted-code.ts';

export interface LockOptions {
  /** Called once when another setup holds the lock. */
  readonly onWait?: ((owner: LockOwner) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds between touches by the owner and between looks by a waiter. */
  readonly beatMs?: number;
  /** Milliseconds without a touch after which the lock is taken over. */
  readonly staleMs?: number;
}

export interface LockOwner {
  readonly pid: number;
  /** Host and process namespace: only there does the pid mean something. */
  readonly host: string;
  readonly token: string;
}

export interface SetupLock {
  release(): Promise<void>;
}

/** Waits until this process owns the lock file at `path`; rejects only on abort or a disk error. */
export async function acquireSetupLock(
  path: string,
  options: LockOptions = {},
): Promise<SetupLock> {
  const { onWait, signal, beatMs = 2000, staleMs = 30_000 } = options;
  makePrivateFolder(dirname(path));
  const token = randomBytes(8).toString('hex');
  const me: LockOwner = { pid: process.pid, host: thisHost(), token };
  let seen: { stamp: string; since: number } | undefined;
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    const handle = await createLock(path, me);
    if (handle) return holdLock(path, handle, me, beatMs);

    const state = await lookAtLock(path);
    if (!state) continue; // released between the two looks
    const now = performance.now();
    if (seen?.stamp !== state.stamp) seen = { stamp: state.stamp, since: now };
    if (isGone(state.owner) || now - seen.since > staleMs) {
      await takeAway(path, state.text);
      continue;
    }
    if (!told && state.owner) onWait?.(state.owner);
    told ||= state.owner !== undefined;
    await delay(Math.min(beatMs, 500), undefined, { signal });
  }
}

async function createLock(path: string, me: LockOwner): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'wx');
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return undefined;
    throw error;
  }
  await handle.writeFile(`${JSON.stringify(me)}\n`);
  return handle;
}

function holdLock(path: string, handle: FileHandle, me: LockOwner, beatMs: number): SetupLock {
  // Through the open file: after a takeover this touches the old lock, not the new owner's.
  const beat = setInterval(() => {
    const now = new Date();
    handle.utimes(now, now).catch(() => {}); // a missed beat costs nothing
  }, beatMs);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      await handle.close();
      if ((await lookAtLock(path))?.owner?.token === me.token) await rm(path, { force: true });
    },
  };
}

interface LockState {
  readonly text: string;
  /** Undefined while the owner is still writing it. */
  readonly owner: LockOwner | undefined;
  /** Changes with every touch. */
  readonly stamp: string;
}

async function lookAtLock(path: string): Promise<LockState | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    const { mtimeMs, ino } = await stat(path);
    return { text, owner: parseOwner(text), stamp: `${ino} ${mtimeMs} ${text}` };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    return JSON.parse(text) as LockOwner;
  } catch {
    return undefined;
  }
}

function isGone(owner: LockOwner | undefined): boolean {
  return owner?.host === thisHost() && !isRunning(owner.pid);
}

/** Of two waiters one wins the rename; if the lock changed hands meanwhile, it is put back. */
async function takeAway(path: string, staleText: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  if ((await readFile(aside, 'utf8')) !== staleText) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

function thisHost(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
