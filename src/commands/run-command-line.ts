import { printableJson } from '../json.ts';
import { createPaint } from '../terminal/colors.ts';
import { formatError } from '../terminal/format-error.ts';
import { errorEvent } from '../worker/worker-errors.ts';
import type { CommandContext } from './command-context.ts';
import { createCli } from './create-cli.ts';
import type { ExitStatus } from './exit-status.ts';

/** Runs the command line; an error is reported where its caller expects it. */
export async function runCommandLine(context: CommandContext): Promise<ExitStatus> {
  try {
    return await createCli(context);
  } catch (error) {
    reportError(error, context);
    return 2;
  }
}

export function reportError(error: unknown, context: CommandContext): void {
  const { stdout, stderr, canAnswer, colors } = context.terminal;
  // A worker's stdout is its answer, its stderr its events.
  if (context.argv[0] === 'worker') stderr(`${printableJson(errorEvent(error))}\n`);
  else if (wantsJsonLog(context) && canAnswer?.() !== false) {
    stdout(`${printableJson(formatError(error, 'json'))}\n`);
  }
  // Unknown errors are defects of ours: they keep their stack.
  else stderr(formatError(error, 'text', createPaint(colors?.stderr === true)));
}

/** Read here, because an option may be what is wrong. */
function wantsJsonLog({ argv, env }: CommandContext): boolean {
  const at = argv.indexOf('--log');
  if (argv.includes('--log=json') || (at !== -1 && argv[at + 1] === 'json')) return true;
  return env.IMG2FEATURES_LOG === 'json' && !argv.some((word) => word.startsWith('--log'));
}
