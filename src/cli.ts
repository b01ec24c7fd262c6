#!/usr/bin/env node
/** argv -> options -> command. The only file that prints or ends the process. */
import { constants } from 'node:os';
import type { CommandContext } from './commands/command-context.ts';
import { type ExitStatus, INTERRUPTED_STATUS } from './commands/command-context.ts';
import { reportError, runCommandLine } from './commands/run-command-line.ts';
import { Interrupted } from './errors.ts';
import { answerError } from './storage/storage-error.ts';
import { wantsColors } from './terminal/colors.ts';

const interruption = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // A second signal ends the process at once. It cannot damage what is committed.
    if (interruption.signal.aborted) process.exit(128 + constants.signals[signal]);
    interruption.abort(
      new Interrupted(`Stopped by ${signal}.`, {
        fix: process.argv.includes('--overwrite')
          ? 'Give the same command without --overwrite: what is stored is not computed again.'
          : 'Give the same command again: what is stored is not computed again.',
      }),
    );
    process.exitCode = INTERRUPTED_STATUS[signal];
  });
}

const argv = process.argv.slice(2);
let canAnswer = true;
const context: CommandContext = {
  argv,
  env: process.env,
  signal: interruption.signal,
  terminal: {
    isTerminal: process.stderr.isTTY === true,
    columns: process.stderr.columns ?? 80,
    colors: {
      stdout: wantsColors(argv, process.env, process.stdout.isTTY === true),
      stderr: wantsColors(argv, process.env, process.stderr.isTTY === true),
    },
    stdout: (text) => canAnswer && process.stdout.write(text),
    canAnswer: () => canAnswer,
    stderr: (text) => process.stderr.write(text),
    now: () => performance.now(),
  },
};

// Where progress cannot be written (no reader, full disk), the run continues.
process.stderr.on('error', () => {});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const isReaderGone = error.code === 'EPIPE' || error.code === 'ECONNRESET'; // `… | head`
  if (!canAnswer) return;
  canAnswer = false;
  if (isReaderGone) return;
  reportError(answerError(error), context);
  process.exitCode = Math.max(2, Number(process.exitCode ?? 0));
});
process.on('uncaughtException', (error) => {
  reportError(error, context);
  process.exit(2);
});
/** Node's status for a program whose event loop became empty before the program ended. */
const UNSETTLED = 13;
process.on('exit', () => {
  if (process.exitCode === UNSETTLED) process.exitCode = 2 satisfies ExitStatus;
});

const status = await runCommandLine(context);
process.exitCode ??= status;
