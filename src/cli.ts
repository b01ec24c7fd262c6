#!/usr/bin/env node
/** argv -> options -> command. The only file that prints or ends the process. */
import { constants } from 'node:os';
import { createCli } from './commands/create-cli.ts';
import { type ExitStatus, INTERRUPTED_STATUS } from './commands/exit-status.ts';
import { Interrupted, isImg2FeaturesError } from './errors.ts';
import { createPaint, wantsColors } from './terminal/colors.ts';
import { formatError } from './terminal/format-error.ts';
import { errorEvent } from './worker/worker-errors.ts';

const interruption = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // A second one means: now. Nothing committed can be torn by that.
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

// A reader that goes away (`… | head`) ends the output, not the run.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

/** Its stdout is its answer, its stderr its events. */
const isWorker = process.argv[2] === 'worker';
const wantsJsonLog =
  process.argv.includes('--log=json') ||
  isNextTo('--log', 'json') ||
  (process.env.IMG2FEATURES_LOG === 'json' &&
    !process.argv.some((word) => word.startsWith('--log')));

const argv = process.argv.slice(2);
const colors = {
  stdout: wantsColors(argv, process.env, process.stdout.isTTY === true),
  stderr: wantsColors(argv, process.env, process.stderr.isTTY === true),
};

try {
  const status = await createCli({
    argv,
    env: process.env,
    signal: interruption.signal,
    terminal: {
      isTerminal: process.stderr.isTTY === true,
      columns: process.stderr.columns ?? 80,
      colors,
      stdout: (text) => process.stdout.write(text),
      stderr: (text) => process.stderr.write(text),
      now: () => performance.now(),
    },
  });
  process.exitCode ??= status;
} catch (error) {
  process.exitCode ??= 2 satisfies ExitStatus;
  // Errors that we do not know are ours to mend: they keep their stack.
  if (isWorker) process.stderr.write(`${JSON.stringify(errorEvent(error))}\n`);
  else if (wantsJsonLog) process.stdout.write(`${JSON.stringify(formatError(error, 'json'))}\n`);
  else process.stderr.write(formatError(error, 'text', createPaint(colors.stderr)));
  if (!isImg2FeaturesError(error) && process.exitCode === 0) process.exitCode = 2;
}

function isNextTo(flag: string, value: string): boolean {
  const at = process.argv.indexOf(flag);
  return at >= 0 && process.argv[at + 1] === value;
}
