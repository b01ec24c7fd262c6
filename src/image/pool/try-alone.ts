import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { RunError } from '../../errors.ts';
import type { DecodeOptions, DecodeTask } from '../decoded-chunk.ts';

const CHILD = fileURLToPath(new URL('../../../dist/image/pool/trial-child.js', import.meta.url));

export interface TrialRequest {
  readonly task: DecodeTask;
  readonly options: DecodeOptions;
}

/** `ready` once, then `done` after each image, with any result. */
export type TrialReply = 'ready' | 'done';

export interface TrialOptions {
  readonly options: DecodeOptions;
  /** Milliseconds for one image; one that takes longer has not crashed, and is not reported here. */
  readonly imageTimeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Decodes images in a process of their own and returns which of them end it: manifest position to
 * message. When a process ends, another one decodes the images that are left.
 *
 * @throws RunError when such a process cannot be started; the signal's reason
 */
export async function tryAlone(
  tasks: AsyncIterable<DecodeTask> | Iterable<DecodeTask>,
  { options, imageTimeoutMs, signal }: TrialOptions,
): Promise<Map<number, string>> {
  const crashed = new Map<number, string>();
  let child: ChildProcess | undefined;
  try {
    for await (const { fetch: _, ...task } of tasks) {
      signal.throwIfAborted();
      child ??= await start(signal);
      child.send({ task, options } satisfies TrialRequest);
      const end = await nextWord(child, signal, imageTimeoutMs);
      if (end === 'done') continue;
      child.kill('SIGKILL');
      child = undefined;
      if (end === undefined) continue;
      const message = `Expected an image that can be decoded but found one that ends its decoder (${end}).`;
      crashed.set(task.index, message);
    }
    return crashed;
  } finally {
    child?.kill('SIGKILL');
  }
}

async function start(signal: AbortSignal): Promise<ChildProcess> {
  const child = fork(CHILD, {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  // A request to a process that has just ended fails; its end is reported.
  child.on('error', () => {});
  const word = await nextWord(child, signal, 60_000);
  if (word === 'ready') return child;
  child.kill('SIGKILL');
  throw new RunError(
    `Expected a process to try images in but found that it did not start (${word ?? 'no answer'}).`,
    { fix: 'Run the same command again to resume; --overwrite starts again without trying them.' },
  );
}

/** A reply, or how the process ended (a signal's name, an exit code), or undefined after `ms`. */
function nextWord(
  child: ChildProcess,
  signal: AbortSignal,
  ms: number,
): Promise<TrialReply | string | undefined> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      child.removeAllListeners('message').removeAllListeners('exit');
      settle();
    };
    const timer = setTimeout(() => end(() => resolve(undefined)), Math.min(ms, 2 ** 31 - 1));
    const onAbort = () => end(() => reject(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    child.once('message', (word: TrialReply) => end(() => resolve(word)));
    child.once('exit', (code, killedBy) => end(() => resolve(killedBy ?? `exit code ${code}`)));
  });
}
