import { readFileSync, statSync } from 'node:fs';

/** Far above what any file of ours or Keras' holds; text within these limits takes less than 400 MB when parsed. */
export const MAX_JSON_BYTES = 32 * 1024 * 1024;
const MAX_DEPTH = 128;
const MAX_VALUES = 1_000_000;

/** How a reader of JSON reports an invalid file. */
interface JsonFault {
  readonly error: new (message: string, detail: { fix?: string; cause?: unknown }) => Error;
  /** What to do about a damaged file. */
  readonly fix?: string;
}

export interface JsonSource extends JsonFault {
  /** The file, as messages name it. */
  readonly name: string;
}

/**
 * Parses text from a file or a store, whose content may be anything: its size and depth are bounded before a value is made.
 * @throws source.error
 */
export function parseJson(text: string, source: JsonSource): unknown {
  const beyond = text.length > MAX_JSON_BYTES ? `${text.length} characters` : beyondBounds(text);
  if (beyond !== undefined) throw damaged(source, beyond);
  try {
    // Editors write a byte-order mark, which is no part of the value.
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    throw damaged(source, (cause as Error).message.replace(/\.$/, ''), cause);
  }
}

/** Parses a whole file. @throws fault.error; what the system says where it cannot be read */
export function readJsonFile(path: string, fault: JsonFault = { error: Error }): unknown {
  const source = { name: path, ...fault };
  const { size } = statSync(path);
  if (size > MAX_JSON_BYTES) throw damaged(source, `${size} bytes`);
  return parseJson(readFileSync(path, 'utf8'), source);
}

function damaged({ name, error: Fault, fix }: JsonSource, found: string, cause?: unknown): Error {
  return new Fault(`Expected JSON in ${name} but found ${found}.`, { ...(fix && { fix }), cause });
}

/** Counts brackets and commas outside of texts. */
function beyondBounds(text: string): string | undefined {
  let depth = 0;
  let values = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      for (i++; i < text.length && text.charCodeAt(i) !== QUOTE; i++) {
        if (text.charCodeAt(i) === BACKSLASH) i++;
      }
    } else if (code === BRACKET || code === BRACE) {
      values++;
      if (++depth > MAX_DEPTH) return `values nested deeper than ${MAX_DEPTH}`;
    } else if (code === BRACKET + 2 || code === BRACE + 2) depth--;
    else if (code === COMMA) values++;
  }
  return values > MAX_VALUES ? `more than ${MAX_VALUES} values` : undefined;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const BRACE = 0x7b;

/**
 * Characters of names that a terminal would execute in place of showing them: control characters (C1 too), marks that
 * turn the direction of text, line and paragraph separators.
 */
export const UNPRINTABLE = /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu;

/** One line of JSON that a terminal can show: equal in value to `JSON.stringify`. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNPRINTABLE, (character) =>
    Array.from({ length: character.length }, (_, i) => escapeUnit(character.charCodeAt(i))).join(
      '',
    ),
  );
}

function escapeUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}

/** A value as a message can show it: one line, at most 80 characters. */
export function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/**
 * Names come from other people's disks: control and direction characters in them must not move the
 * cursor, colour the terminal, break a line or reverse its direction.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}
