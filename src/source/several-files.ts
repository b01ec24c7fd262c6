import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { OptionError, SourceError } from '../errors.ts';
import { isS3Url } from '../s3/s3-address.ts';

/** After the last separator: `\\` is one on Windows alone. */
const LAST_NAME = sep === '/' ? /[^/]*$/ : /[^/\\]*$/;

const MOST_NAMES = 1_000_000;

/**
 * The files that an input stands for: braces as below and, of files on a disk, `*` in the last name, sorted.
 * @throws OptionError for more than a million names; SourceError where `*` matches none
 */
export function severalFiles(input: string): string[] {
  return expandBraces(input).flatMap((path) => {
    const pattern = basename(path);
    if (!pattern.includes('*') || isS3Url(path) || existsSync(path)) return [path];
    const regExp = starPattern(pattern);
    const folder = dirname(path);
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => regExp.test(name)) : [];
    if (names.length > 0) return names.sort().map((name) => join(folder, name));
    throw noneLike(path);
  });
}

/** What names with `*` stand for, within a folder. */
export function starPattern(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]*')}$`, 's');
}

export function noneLike(path: string): SourceError {
  return new SourceError(`Expected files like ${path} but found none.`, {
    fix: 'Check the name of the folder, and that the pattern is as its files are named.',
  });
}

/** What origins of several files need not repeat: the folder before the first name that stands for several. */
export function commonFolder(input: string): string {
  const at = input.search(/[{*]/);
  return at === -1 ? '' : input.slice(0, at).replace(LAST_NAME, '');
}

/**
 * Names that stand for several, as shells and WebDataset write them: `{000..127}` counts, with the zeros of its first number,
 * `{a,b}` gives each; several multiply. In the order written.
 * @throws OptionError for more than a million names
 */
function expandBraces(text: string): string[] {
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
