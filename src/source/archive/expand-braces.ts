import { OptionError } from '../../errors.ts';

const MOST_NAMES = 1_000_000;

/**
 * Names that stand for several, as shells and WebDataset write them: `{000..127}` counts, with the zeros of its first number,
 * `{a,b}` gives each; several multiply. In the order written.
 * @throws OptionError for more than a million names
 */
export function expandBraces(text: string): string[] {
  const [whole, inside] = /\{([^{}]*)\}/.exec(text) ?? [];
  const choices = inside === undefined ? undefined : choicesOf(inside);
  if (whole === undefined || choices === undefined) return [text];
  const at = text.indexOf(whole);
  const rest = expandBraces(text.slice(at + whole.length));
  if (choices.length * rest.length > MOST_NAMES) {
    throw new OptionError(
      `Expected at most ${MOST_NAMES} archives but ${text} stands for ${choices.length * rest.length}.`,
    );
  }
  const front = text.slice(0, at);
  return choices.flatMap((choice) => rest.map((end) => front + choice + end));
}

/** @returns undefined where the braces are part of a name */
function choicesOf(inside: string): string[] | undefined {
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(inside) ?? [];
  if (first === undefined) return inside.includes(',') ? inside.split(',') : undefined;
  const [low, high] = [Number(first), Number(last)];
  if (high < low || high - low >= MOST_NAMES) {
    throw new OptionError(
      `Expected numbers that go up, by at most a million, in braces but found {${inside}}.`,
      { fix: 'Write them as {000..127}.' },
    );
  }
  const digits = first.startsWith('0') ? Math.max(first.length, last.length) : 0;
  return Array.from({ length: high - low + 1 }, (_, i) => String(low + i).padStart(digits, '0'));
}
