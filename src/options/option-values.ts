import { OptionError } from '../errors.ts';
import { show } from '../json.ts';

/**
 * Parsers from what a command line, a configuration file, an environment variable or a caller gives
 * (string, number, boolean, array) to one checked value. Each throws OptionError naming the option.
 */
export interface Parser<T> {
  (value: unknown, name: string): T;
  /** The words that it takes, where there are only a few: what a shell completes. */
  readonly choices?: readonly string[];
  /** It takes several of them, separated by commas. */
  readonly isList?: boolean;
}

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (value, name) => {
    const text = scalar(value, name);
    const parsed = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(parsed) || parsed < min || parsed > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `>= ${min}` : `from ${min} to ${max}`;
      throw expected(`an integer ${range}`, name, value);
    }
    return parsed;
  };
}

export function positiveNumber(): Parser<number> {
  return (value, name) => {
    const text = scalar(value, name);
    const parsed = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(parsed) || parsed <= 0) throw expected('a number above 0', name, value);
    return parsed;
  };
}

/** The word `auto`, or what the inner parser accepts. */
export function autoOr<T>(inner: Parser<T>): Parser<T | 'auto'> {
  return (value, name) => (value === 'auto' ? 'auto' : inner(value, name));
}

export function oneOf<const T extends readonly string[]>(...choices: T): Parser<T[number]> {
  const parse = (value: unknown, name: string) => {
    const text = scalar(value, name);
    if (!choices.includes(text)) throw expected(listOfWords(choices), name, value);
    return text as T[number];
  };
  return Object.assign(parse, { choices });
}

/** Words separated by commas, each one of the choices, each at most once, at least one; `all` is all of them. */
export function someOf<const T extends readonly string[]>(...choices: T): Parser<T[number][]> {
  const parse = (value: unknown, name: string) => {
    const words = wordsOf(value);
    if (words.length === 1 && words[0] === 'all') return [...choices];
    const known = words.every((word) => choices.includes(word));
    if (words.length === 0 || !known || new Set(words).size !== words.length) {
      throw expected(
        `all, or one or more of ${listOfWords(choices)}, separated by commas`,
        name,
        value,
      );
    }
    return words as T[number][];
  };
  return Object.assign(parse, { choices, isList: true });
}

/** `all`, or different numbers from 0 on, separated by commas. */
export function gpuNumbers(): Parser<'all' | number[]> {
  return (value, name) => {
    if (value === 'all') return 'all';
    const words = Array.isArray(value) ? value.map(String) : scalar(value, name).split(',');
    const numbers = words.map((word) => (/^\s*\d{1,4}\s*$/.test(word) ? Number(word) : -1));
    if (numbers.length === 0 || numbers.includes(-1) || new Set(numbers).size !== numbers.length) {
      throw expected('all, or numbers of GPUs such as 0,1', name, value);
    }
    return numbers;
  };
}

export function text(what: string): Parser<string> {
  return (value, name) => {
    const given = scalar(value, name);
    if (given.trim() === '' || given.includes('\0')) throw expected(what, name, value);
    return given;
  };
}

/** An address of a server; a password in it would end up in run.json. */
export function httpUrl(): Parser<string> {
  return (value, name) => {
    const given = scalar(value, name);
    const url = URL.canParse(given) ? new URL(given) : undefined;
    if (!/^https?:$/.test(url?.protocol ?? '')) {
      throw expected('a URL such as https://host:9000', name, value);
    }
    if (url!.username !== '' || url!.password !== '') {
      throw new OptionError(`Expected no user name or password in the URL for --${name}.`, {
        fix: 'Give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
      });
    }
    return given;
  };
}

export function flag(): Parser<boolean> {
  return (value, name) => {
    if (value === true || value === 'true' || value === '1' || value === 1) return true;
    if (value === false || value === 'false' || value === '0' || value === 0) return false;
    throw expected('true or false', name, value);
  };
}

/** The word `any`, or extensions separated by commas, with or without their dots; `none` is one of them. */
export function extensions(): Parser<'any' | string[]> {
  return (value, name) => {
    if (value === 'any') return 'any';
    const words = wordsOf(value).map((word) => word.replace(/^\./, '').toLowerCase());
    if (words.length > 0 && words.every((word) => /^[^./\\*?]+$/.test(word) && word !== 'any')) {
      return words;
    }
    throw expected('any, or extensions such as jpg,png', name, value);
  };
}

/** Patterns of names, separated by commas; an empty list is none. */
export function patterns(): Parser<string[]> {
  return (value, name) => {
    const words = wordsOf(value);
    const isSome = words.length > 0 || (Array.isArray(value) && value.length === 0);
    if (isSome && words.every((word) => /[^!/]/.test(word))) return words;
    throw expected('patterns of names such as *_mask.png', name, value);
  };
}

/** The word `all`, or names of columns, separated by commas. */
export function columnNames(): Parser<'all' | string[]> {
  return (value, name) => {
    if (value === 'all') return 'all';
    const words = wordsOf(value);
    if (words.length > 0 && new Set(words).size === words.length) return words;
    throw expected('all, or different names of columns such as brand,year', name, value);
  };
}

/** The word `folders`, or two or three shares that add up to 100, of train, val and test: 80/10/10, 80/20. */
export function splitRule(): Parser<string> {
  return (value, name) => {
    const text = scalar(value, name).trim();
    if (text === 'folders') return text;
    const shares = /^\d+(\/\d+){1,2}$/.test(text) ? text.split('/').map(Number) : [];
    const isWhole = shares.every((share) => share > 0) && shares.reduce((a, b) => a + b, 0) === 100;
    if (isWhole) return shares.join('/');
    throw expected('folders, or shares that add up to 100 such as 80/10/10 or 80/20', name, value);
  };
}

/** One of the jobs that share a run, counted from 1: `3/16`. */
export interface JobShard {
  readonly index: number;
  /** Jobs in all. */
  readonly of: number;
}

export function jobShard(): Parser<JobShard> {
  return (value, name) => {
    const [, index, of] = /^\s*(\d+)\/(\d+)\s*$/.exec(scalar(value, name)) ?? [];
    const job = { index: Number(index), of: Number(of) };
    if (job.index >= 1 && job.index <= job.of && job.of <= 1e6) return job;
    throw expected('a job of several, counted from 1, such as 3/16', name, value);
  };
}

/** `3/16` */
export function jobName({ index, of }: JobShard): string {
  return `${index}/${of}`;
}

/** Of one or more values, each a word or several separated by commas. */
export function wordsOf(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value])
    .flatMap((part) => String(part).split(','))
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** How many images may be bad before the run gives up: a count, or a share of all images. */
export type BadLimit = { readonly count: number } | { readonly percent: number };

export function badLimit(): Parser<BadLimit> {
  return (value, name) => {
    const given = scalar(value, name);
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(given)?.[1];
    if (percent !== undefined && Number(percent) <= 100) return { percent: Number(percent) };
    if (/^\d+$/.test(given)) return { count: Number(given) };
    throw expected('a count such as 100 or a share such as 5%', name, value);
  };
}

function scalar(value: unknown, name: string): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return String(value);
  }
  if (Array.isArray(value)) {
    throw new OptionError(
      `Expected one value for --${name} but it was given ${value.length} times.`,
    );
  }
  throw expected('a value', name, value);
}

function expected(what: string, name: string, value: unknown): OptionError {
  return new OptionError(`Expected ${what} for --${name} but received ${show(value)}.`);
}

function listOfWords(words: readonly string[]): string {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
