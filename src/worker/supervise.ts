import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ChildOutput } from '../engine/child-output.ts';
import { RunError } from '../errors.ts';
import { readJournalNames } from '../image/pool/decode-journal.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import type { FromChild, ToChild, WorkerEvent } from './protocol.ts';
import { errorEvent } from './protocol.ts';

const CHILD = fileURLToPath(new URL('../../dist/worker/serving-child.js', import.meta.url));
/** How long the serving process may take to end once it has sent its last message or was asked to stop. */
const END_MS = 3000;
const SUSPECTS_IN_MESSAGE = 8;

export interface SuperviseHooks {
  readonly signal: AbortSignal;
  readonly onEvent: (event: WorkerEvent) => void;
}

/**
 * Serves in a process of its own, which has our stdin and, as another file descriptor than 1, our stdout. So nothing
 * that a library prints can get into the answer, and when a decoder brings that process down, this process remains to report
 * which images it had in work.
 * @returns 0 at the end of the input; 2 after a failure, which was reported as an event; 141 when the reader has closed the answer
 * @throws the signal's reason
 */
export async function supervise(
  options: ExtractOptions,
  { signal, onEvent }: SuperviseHooks,
): Promise<0 | 2 | 141> {
  signal.throwIfAborted();
  const journalDir = makeJournalDir();
  const child = spawn(process.execPath, ['--no-deprecation', CHILD], {
    stdio: [0, 'pipe', 'pipe', 1, 'ipc'],
    windowsHide: true,
  });
  const tellPeer = readyFirst(onEvent);
  const printed = new ChildOutput((message) => tellPeer({ event: 'log', message }));
  printed.listen(child.stdout as Readable);
  printed.listen(child.stderr as Readable);
  let status: 0 | 2 | 141 | undefined;
  let killer: NodeJS.Timeout | undefined;
  const endSoon = () => {
    killer ??= setTimeout(() => child.kill('SIGKILL'), END_MS);
  };
  const onAbort = () => {
    send(child, { type: 'stop' });
    endSoon();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  child.on('message', (message: FromChild) => {
    if (message.type === 'event') {
      // The process that was interrupted reports the interruption.
      if (!signal.aborted) tellPeer(message.event);
    } else {
      status = message.status;
      endSoon();
    }
  });
  try {
    send(child, { type: 'start', options, journalDir });
    const end = await endOf(child);
    signal.throwIfAborted();
    if (status !== undefined) return status;
    const suspects = journalDir === undefined ? [] : readJournalNames(journalDir);
    const error = describeDeath(end, suspects, printed.lastLines());
    tellPeer({ ...errorEvent(error), ...(suspects.length > 0 && { suspects }) });
    return 2;
  } finally {
    clearTimeout(killer);
    signal.removeEventListener('abort', onAbort);
    if (journalDir !== undefined) rmSync(journalDir, { recursive: true, force: true });
  }
}

/** Events before `ready` are held until then, or until it is known that it will not come. */
function readyFirst(onEvent: (event: WorkerEvent) => void): (event: WorkerEvent) => void {
  let early: WorkerEvent[] | undefined = [];
  return (event) => {
    if (early !== undefined && event.event !== 'ready' && event.event !== 'error') {
      early.push(event);
      return;
    }
    const held = early ?? [];
    early = undefined;
    for (const one of event.event === 'ready' ? [event, ...held] : [...held, event]) onEvent(one);
  };
}

/** Its exit reports its end, not a message that does not arrive. */
function send(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => {});
}

/** Without a folder to write to there is no journal, and a crash is reported without names. */
function makeJournalDir(): string | undefined {
  try {
    return mkdtempSync(join(tmpdir(), 'img2features-worker-'));
  } catch {
    return undefined;
  }
}

/** How the process ended, once its output was read. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) =>
      resolve(signal === null ? `exit status ${code}` : `signal ${signal}`),
    );
  });
}

function describeDeath(
  end: string,
  suspects: readonly string[],
  lastLines: readonly string[],
): RunError {
  const shown = suspects.slice(0, SUSPECTS_IN_MESSAGE).join(', ');
  const more =
    suspects.length > SUSPECTS_IN_MESSAGE
      ? ` and ${suspects.length - SUSPECTS_IN_MESSAGE} more`
      : '';
  const inWork = suspects.length === 0 ? '' : ` while it decoded ${shown}${more}`;
  const words = lastLines.length === 0 ? '' : `; its last lines:\n${lastLines.join('\n')}`;
  // Decoders crash by other signals; this one is the system's, or a person's.
  const isKilled = end === 'signal SIGKILL' || suspects.length === 0;
  return new RunError(
    `Expected the worker to run but found that it ended with ${end}${inWork}${words}`,
    {
      fix: isKilled
        ? 'If the system ran out of memory, use a smaller --batch, fewer --workers or smaller record batches.'
        : 'Run img2features on these images: it finds the one that crashes its decoder and rejects it.',
    },
  );
}
