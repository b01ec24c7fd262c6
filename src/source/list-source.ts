import { createReadStream, existsSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { decodeTextStream } from '../decode-text.ts';
import { errnoOf, SourceError } from '../errors.ts';
import { readImageFile } from '../image/read-image-file.ts';
import { show } from '../json.ts';
import { mapOrdered } from '../map-ordered.ts';
import { isS3Url } from '../s3/s3-address.ts';
import { NamedObjects, type S3SourceOptions } from './s3-source.ts';
import {
  fileState,
  type Listed,
  type OriginForm,
  originOf,
  rejected,
  type Source,
  type SourceEntry,
} from './source.ts';

/** Requests to a store in flight at once. */
const IN_FLIGHT = 64;

/** Keys of a JSON line that name an image, and its class; the first that is there is read. */
const PATH_KEYS = ['path', 'origin'] as const;
const TARGET_KEYS = ['target', 'label', 'class'] as const;

/**
 * Images named in a file: one path or `s3://bucket/key` a line, or JSON lines `{"path": "...", "target": "..."}`
 * (`origin` may replace `path`, `label` or `class` `target`), in any mixture. Relative paths start at the working folder,
 * as `find … > list.txt` writes them. Every line counts: a path that does not exist is a rejection, never skipped; keys
 * that are not read are named in a note.
 */
export function openListSource(input: string, options: S3SourceOptions): Source {
  const objects = new NamedObjects(options);
  let hasObjects = false;
  const unread: UnreadKeys = new Map();

  return {
    input,
    /** Known once the list was read. */
    get isLocal() {
      return !hasObjects;
    },
    async *list(signal) {
      yield* mapOrdered(wantedImages(input, unread, signal), IN_FLIGHT, async (wanted) => {
        if (!isS3Url(wanted.path)) return listPath(wanted, input, options.originForm);
        hasObjects = true;
        const listed = await objects.find(wanted.path, signal);
        return wanted.target === undefined || listed.kind !== 'image'
          ? listed
          : { ...listed, entry: { ...listed.entry, target: wanted.target } };
      });
    },
    async read(entry: SourceEntry, signal: AbortSignal) {
      if (isS3Url(entry.location)) return objects.read(entry, signal);
      // In a list with objects, local files are read here, not by the workers; their size was checked by the caller.
      return readImageFile(entry.location, Number.POSITIVE_INFINITY, entry);
    },
    notes() {
      if (unread.size === 0) return [];
      const keys = [...unread].map(([key, lines]) => `${show(key)} (${lines} lines)`);
      return [`Not read of ${input}: the keys ${keys.join(', ')}.`];
    },
    close: () => objects.close(),
  };
}

/** Keys of JSON lines that mean nothing here, and how many lines have them. */
type UnreadKeys = Map<string, number>;

/** A list of other things could have a key of its own in each line. */
const MOST_UNREAD_KEYS = 20;

async function* wantedImages(
  input: string,
  unread: UnreadKeys,
  signal: AbortSignal,
): AsyncGenerator<WantedImage> {
  const lines = createInterface({
    input: Readable.from(decodeTextStream(createReadStream(input))),
    crlfDelay: Infinity,
  });
  let lineNumber = 0;
  for await (const line of lines) {
    signal.throwIfAborted();
    lineNumber += 1;
    if (line.trim() !== '') yield parseLine(line, lineNumber, input, unread);
  }
}

interface WantedImage {
  readonly path: string;
  readonly target: string | undefined;
}

function parseLine(
  line: string,
  lineNumber: number,
  input: string,
  unread: UnreadKeys,
): WantedImage {
  if (/^\s*\[/.test(line)) {
    throw new SourceError(`Expected an object a line in ${input} but found an array.`, {
      fix: "Write one object a line, as jq -c '.[]' does.",
    });
  }
  if (!line.trimStart().startsWith('{')) return { path: line, target: undefined };
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(line);
  } catch (error) {
    throw new SourceError(
      `Expected JSON in line ${lineNumber} of ${input} but it does not parse.`,
      {
        fix: 'Each line must be a path or an object such as {"path": "a/1.jpg", "target": "a"}.',
        cause: error,
      },
    );
  }
  const where = `line ${lineNumber} of ${input}`;
  const given = (keys: readonly string[]) => keys.filter((key) => parsed[key] !== undefined);
  const [pathKey = 'path'] = given(PATH_KEYS);
  const targets = new Set(given(TARGET_KEYS).map((key) => parsed[key]));
  if (targets.size > 1) {
    throw new SourceError(
      `Expected one class in ${where} but found ${given(TARGET_KEYS).join(' and ')} with different values.`,
      { fix: 'Keep the one that is meant, as "target".' },
    );
  }
  for (const key of Object.keys(parsed)) {
    const isRead = key === pathKey || (TARGET_KEYS as readonly string[]).includes(key);
    if (isRead || (!unread.has(key) && unread.size === MOST_UNREAD_KEYS)) continue;
    unread.set(key, (unread.get(key) ?? 0) + 1);
  }
  const path = parsed[pathKey];
  const [target] = targets;
  if (typeof path !== 'string' || !['string', 'number', 'undefined'].includes(typeof target)) {
    throw new SourceError(
      `Expected a string "path" (and "target", "label" or "class") in ${where} but found ${line.slice(0, 200)}.`,
      { fix: 'Write it as {"path": "a/1.jpg", "target": "a"}.' },
    );
  }
  return { path, target: target === undefined ? undefined : String(target) };
}

/** @throws SourceError for a line of a table: a path that is there, and more behind a separator */
function refuseTableLine(path: string, input: string): void {
  const at = path.search(/[,;\t]/);
  if (at <= 0 || !existsSync(resolve(path.slice(0, at)))) return;
  throw new SourceError(
    `Expected one path a line in ${input} but found a table: ${show(path.slice(0, at))} is a file, what follows it is not part of its name.`,
    { fix: 'Write each line as {"path": "a/1.jpg", "target": "a"}, or the path alone.' },
  );
}

function isFileUrl(path: string): boolean {
  return /^file:\/\/\//i.test(path) && URL.canParse(path) && !/%2f/i.test(path);
}

function listPath(wanted: WantedImage, input: string, form: OriginForm): Listed {
  // Origins of our own tables can be URLs.
  const location = isFileUrl(wanted.path) ? fileURLToPath(wanted.path) : resolve(wanted.path);
  const origin = originOf(form, { input: wanted.path, relative: '', path: location });
  try {
    const stats = statSync(location);
    const target = wanted.target ?? basename(dirname(location));
    if (stats.isFile()) {
      return { kind: 'image', entry: { origin, target, location, ...fileState(stats) } };
    }
    const message = 'Expected an image file but found a folder, device or pipe.';
    return rejected(origin, 'not_a_file', message);
  } catch (error) {
    refuseTableLine(wanted.path, input);
    const message = `Expected a readable file but found none (${errnoOf(error) ?? error}).`;
    const reason = errnoOf(error) === 'EACCES' ? 'unreadable' : 'vanished';
    return rejected(origin, reason, message);
  }
}
