import { isImg2FeaturesError } from '../errors.ts';
import { printable, printableJson } from '../json.ts';
import { createPaint } from '../terminal/colors.ts';
import { errorEvent } from '../worker/protocol.ts';
import type { CommandContext, ExitStatus } from './command-context.ts';
import { createCli } from './create-cli.ts';

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
    stdout(`${printableJson({ event: 'error', ...errorFields(error) })}\n`);
  } else stderr(formatError(error, createPaint(colors?.stderr === true)));
}

/** Read here, because an option may be what is wrong. */
function wantsJsonLog({ argv, env }: CommandContext): boolean {
  const at = argv.indexOf('--log');
  if (argv.includes('--log=json') || (at !== -1 && argv[at + 1] === 'json')) return true;
  return env.IMG2FEATURES_LOG === 'json' && !argv.some((word) => word.startsWith('--log'));
}

/** A known failure is one line and its fix; an unknown one is a defect of ours and keeps its stack, so that it can be reported. */
export function formatError(error: unknown, paint = createPaint(false)): string {
  if (!isImg2FeaturesError(error)) {
    const lines = stackOf(error).split('\n').map(shownLine).join('\n');
    return `${paint.red('Unexpected error; please report it with this text:')}\n${lines}\n`;
  }
  const lines = error.message.split('\n').map((line) => paint.red(shownLine(line)));
  if (error.fix !== undefined) lines.push(`${paint.bold('Fix:')} ${shownLine(error.fix)}`);
  return `${lines.join('\n')}\n`;
}

function errorFields(error: unknown) {
  return isImg2FeaturesError(error)
    ? { tag: error.tag, message: error.message, fix: error.fix }
    : { tag: 'unexpected', message: String(error), stack: stackOf(error) };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Longer than a path; a message may hold a value of any length. */
const MAX_LINE = 5000;

function shownLine(line: string): string {
  return printable(line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line);
}
