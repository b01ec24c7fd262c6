#!/usr/bin/env node
/** argv -> options -> command. The only file that prints or ends the process. */
import { constants } from 'node:os';
import { INTERRUPTED_STATUS } from './commands/exit-status.ts';
import { runCommandLine } from './commands/run-command-line.ts';
import { Interrupted } from './errors.ts';
import { wantsColors } from './terminal/colors.ts';

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

const argv = process.argv.slice(2);
const status = await runCommandLine({
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
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    now: () => performance.now(),
  },
});
process.exitCode ??= status;
