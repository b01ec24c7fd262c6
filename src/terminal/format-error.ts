import { isImg2FeaturesError } from '../errors.ts';
import { createPaint, type Paint } from './colors.ts';
import { printable } from './escape.ts';

export function formatError(error: unknown, form: 'text', paint?: Paint): string;
export function formatError(error: unknown, form: 'json'): Record<string, unknown>;
/**
 * A known failure is one line and its fix. An unknown one is a defect of ours and keeps its stack,
 * so that it can be reported.
 */
export function formatError(
  error: unknown,
  form: 'text' | 'json',
  paint: Paint = createPaint(false),
): string | Record<string, unknown> {
  if (!isImg2FeaturesError(error)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (form === 'json')
      return { event: 'error', tag: 'unexpected', message: String(error), stack };
    return `${paint.red('Unexpected error; please report it with this text:')}\n${stack.split('\n').map(shownLine).join('\n')}\n`;
  }
  if (form === 'json') {
    return { event: 'error', tag: error.tag, message: error.message, fix: error.fix };
  }
  const lines = error.message.split('\n').map((line) => paint.red(shownLine(line)));
  if (error.fix !== undefined) lines.push(`${paint.bold('Fix:')} ${shownLine(error.fix)}`);
  return `${lines.join('\n')}\n`;
}

/** Longer than a path; a message may hold a value of any length. */
const MAX_LINE = 5000;

function shownLine(line: string): string {
  return printable(line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line);
}
