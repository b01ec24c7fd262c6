import { errnoOf, RunError } from '../errors.ts';
import { acquireLock, type FileLock, type Holder, ownIdentity } from '../files/lock-file.ts';
import { storageError } from './storage-error.ts';

/**
 * One process for one output: takes the lock or refuses.
 *
 * @param path of the lock file
 * @param target the output as the user named it, for the message
 * @throws RunError when another process holds it, ExportError when the file cannot be written
 */
export async function acquireRunLock(path: string, target: string): Promise<FileLock> {
  const onHeld = (holder: Holder | undefined, cause: unknown): never => {
    if (holder !== undefined) {
      throw otherRunError(target, holder, `wait ten minutes or remove ${path}`);
    }
    throw new RunError(
      `Expected a lock written by img2features in ${path} but found ${String(cause)}.`,
      { cause, fix: 'If no run is writing there, remove that file.' },
    );
  };
  try {
    return await acquireLock(path, { onHeld });
  } catch (error) {
    throw errnoOf(error) === undefined ? error : storageError(error, 'the lock of the run', path);
  }
}

/** @param ifDead when to try again where the holder, on another machine, cannot be checked */
export function otherRunError(
  target: string,
  { pid, host }: Omit<Holder, 'nonce'>,
  ifDead: string,
): RunError {
  const isHere = host === ownIdentity().host;
  const where = isHere ? 'here' : `on ${host.split(' ')[0]}`;
  return new RunError(
    `Expected no other run writing to ${target} but found process ${pid} ${where}.`,
    {
      fix: isHere
        ? `Wait for it or stop it (kill ${pid}); what it has done is kept.`
        : `Wait for it or stop it. If it has ended, ${ifDead}.`,
    },
  );
}
