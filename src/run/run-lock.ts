import { randomUUID } from 'node:crypto';
import { link, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { errnoOf, RunError } from '../errors.ts';
import { type Holder, livesHere, ownIdentity } from '../storage/lock-holder.ts';
import { storageError } from '../storage/storage-error.ts';

/**
 * One process for one output. The lock is a file that says who holds it; it appears whole, by link(2),
 * which fails when the name is taken. A holder that died on this machine is known by its process id, boot and start
 * time; one on another machine by a file that nobody has touched for ten minutes.
 */
export interface RunLock {
  release(): Promise<void>;
}

const HEARTBEAT_MS = 30_000;
const SILENCE_MS = 600_000;
/** Locks that guard the removal of a stale lock, which can be stale in turn. */
const MAX_DEPTH = 4;

/**
 * Takes the lock or refuses; a lock whose holder is dead is taken over.
 *
 * @param path of the lock file; its folder exists
 * @param target the output as the user named it, for the message
 * @throws RunError when another process holds it, ExportError when the file cannot be written
 */
export async function acquireRunLock(path: string, target: string): Promise<RunLock> {
  const nonce = await take(path, target, 0);
  const beat = setInterval(() => {
    const now = new Date();
    // A lost heartbeat only matters after ten minutes of them; the next one may succeed.
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      await releaseOwn(path, nonce);
    },
  };
}

/** @returns the nonce of the lock now held */
async function take(path: string, target: string, depth: number): Promise<string> {
  const nonce = randomUUID();
  for (let attempt = 0; attempt < 20; attempt++) {
    if (await tryLink(path, nonce)) return nonce;
    const holder = await readHolder(path);
    if (holder === undefined) continue;
    if (depth >= MAX_DEPTH || (await isHeld(path, holder))) throw refusal(path, target, holder);
    await removeStale(path, target, depth);
  }
  throw new RunError(
    `Expected to lock ${target} but found other runs starting there all the time.`,
  );
}

/**
 * Only the holder of the guard removes a stale lock, and looks again before it does: of two takers the
 * second then finds the first one's new lock and leaves it alone.
 */
async function removeStale(path: string, target: string, depth: number): Promise<void> {
  const guard = `${path}.takeover`;
  const nonce = await take(guard, target, depth + 1);
  try {
    const holder = await readHolder(path);
    if (holder !== undefined && !(await isHeld(path, holder))) await rm(path, { force: true });
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
    throw storageError(error, 'the lock of the run', path);
  } finally {
    // The first failure is the one to report.
    await rm(temp, { force: true }).catch(() => undefined);
  }
}

async function releaseOwn(path: string, nonce: string): Promise<void> {
  const holder = await readHolder(path);
  // One that cannot be removed (the disk is read-only by now) is stale once this process is gone.
  if (holder?.nonce === nonce) await rm(path, { force: true }).catch(() => undefined);
}

async function readHolder(path: string, attempts = 3): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError && attempts > 1) {
      await setTimeout(50);
      return readHolder(path, attempts - 1);
    }
    throw new RunError(
      `Expected a lock written by img2features in ${path} but found ${String(error)}.`,
      {
        cause: error,
        fix: 'If no run is writing there, remove that file.',
      },
    );
  }
}

async function isHeld(path: string, holder: Holder): Promise<boolean> {
  return livesHere(holder) ?? isFresh(path);
}

/** Another machine's lock: its age by the file system's own clock, which both machines share. */
async function isFresh(path: string): Promise<boolean> {
  const probe = `${path}.${randomUUID()}`;
  try {
    await writeFile(probe, '');
    const [now, lock] = await Promise.all([stat(probe), stat(path)]);
    return now.mtimeMs - lock.mtimeMs < SILENCE_MS;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw storageError(error, 'the lock of the run', path);
  } finally {
    await rm(probe, { force: true }).catch(() => undefined);
  }
}

function refusal(path: string, target: string, holder: Holder): RunError {
  const isHere = holder.host === ownIdentity().host;
  const where = isHere ? 'here' : `on ${holder.host.split(' ')[0]}`;
  return new RunError(
    `Expected no other run writing to ${target} but found process ${holder.pid} ${where}.`,
    {
      fix: isHere
        ? `Wait for it or stop it (kill ${holder.pid}); what it has done is kept.`
        : `Wait for it or stop it. If it is dead, wait ten minutes or remove ${path}.`,
    },
  );
}
