/**
 * The process that serves. Input comes on file descriptor 0, the answer leaves by 3; what libraries print goes to
 * 1 and 2, where the supervisor listens. It runs as long as its supervisor, which handles the signals of the
 * terminal.
 */
import { createWriteStream, fstatSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { Interrupted } from '../errors.ts';
import { ANSWER_FD, BrokenPipe, errorEvent, type FromChild, type ToChild } from './protocol.ts';
import { serve } from './serve.ts';

/** How long what is open may take to close once the supervisor has ended. */
const ORPHAN_MS = 1000;
const RECURSIVELY = { recursive: true, force: true } as const;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

const stop = new AbortController();
const interrupt = () =>
  stop.abort(new Interrupted('Expected the end of the input but was asked to stop.'));

process.on('disconnect', () => {
  interrupt();
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), ORPHAN_MS).unref();
});
process.on('message', (message: ToChild) => {
  if (message.type === 'stop') interrupt();
  else void run(message);
});

async function run({ options, journalDir }: Extract<ToChild, { type: 'start' }>): Promise<void> {
  const output = openAnswer();
  const status = await serve({
    options,
    input: process.stdin,
    output,
    journalDir,
    signal: stop.signal,
    onEvent: (event) => say({ type: 'event', event }),
  }).then(
    () => 0 as const,
    (error: unknown) => {
      if (error instanceof BrokenPipe) return 141 as const;
      say({ type: 'event', event: errorEvent(error) });
      return 2 as const;
    },
  );
  // Nobody reads what is left in the pipes.
  process.stdin.destroy();
  output.destroy();
  // The supervisor, which would do it, has ended.
  if (!process.connected && journalDir !== undefined) rmSync(journalDir, RECURSIVELY);
  say({ type: 'end', status }, () => process.connected && process.disconnect());
}

/** Not blocking: a slow reader must not delay the reaction to a signal. */
function openAnswer(): Writable {
  const stats = fstatSync(ANSWER_FD);
  return stats.isFIFO() || stats.isSocket()
    ? new Socket({ fd: ANSWER_FD, readable: false, writable: true })
    : createWriteStream('', { fd: ANSWER_FD });
}

function say(message: FromChild, whenSent: () => void = () => {}): void {
  process.send?.(message, whenSent);
}
