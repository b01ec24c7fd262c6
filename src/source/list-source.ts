import { createReadStream, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { decodeTextStream } from '../decode-text.ts';
import { errnoOf, SourceError } from '../errors.ts';
import { readImageFile } from '../image/read-image-file.ts';
import { mapOrdered } from '../map-ordered.ts';
import { isS3Url } from '../s3/s3-address.ts';
import { fileState } from './file-state.ts';
import { NamedObjects } from './named-objects.ts';
import type { OriginForm } from './origin.ts';
import { originOf } from './origin.ts';
import type { S3SourceOptions } from './s3-source.ts';
import type { Listed, Source, SourceEntry } from './source.ts';

/** Requests to a store in flight at once. */
const IN_FLIGHT = 64;

/**
 * Images named in a file: one path or `s3://bucket/key` a line, or JSON lines `{"path": "...", "target": "..."}`
 * (`origin` may replace `path`), in any mixture. Relative paths start at the working folder, as `find … >
 * list.txt` writes them. Every line counts: a path that does not exist is a rejection, never skipped.
 */
export function openListSource(input: string, options: S3SourceOptions): Source {
  const objects = new NamedObjects(options);
  let hasObjects = false;

  return {
    input,
    /** Known once the list was read. */
    get isLocal() {
      return !hasObjects;
    },
    async *list(signal) {
      yield* mapOrdered(wantedImages(input, signal), IN_FLIGHT, async (wanted) => {
        if (!isS3Url(wanted.path)) return listPath(wanted, options.originForm);
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
    close: () => objects.close(),
  };
}

async function* wantedImages(input: string, signal: AbortSignal): AsyncGenerator<WantedImage> {
  const lines = createInterface({
    input: Readable.from(decodeTextStream(createReadStream(input))),
    crlfDelay: Infinity,
  });
  let lineNumber = 0;
  for await (const line of lines) {
    signal.throwIfAborted();
    lineNumber += 1;
    if (line.trim() !== '') yield parseLine(line, lineNumber, input);
  }
}

interface WantedImage {
  readonly path: string;
  readonly target: string | undefined;
}

function parseLine(line: string, lineNumber: number, input: string): WantedImage {
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
  const path = parsed.path ?? parsed.origin;
  const target = parsed.target ?? parsed.label ?? parsed.class;
  if (typeof path !== 'string' || !['string', 'number', 'undefined'].includes(typeof target)) {
    throw new SourceError(
      `Expected a string "path" (and "target", "label" or "class") in line ${lineNumber} of ${input} but found ${line.slice(0, 200)}.`,
      { fix: 'Write it as {"path": "a/1.jpg", "target": "a"}.' },
    );
  }
  return { path, target: target === undefined ? undefined : String(target) };
}

function isFileUrl(path: string): boolean {
  return /^file:\/\/\//i.test(path) && URL.canParse(path) && !/%2f/i.test(path);
}

function listPath(wanted: WantedImage, form: OriginForm): Listed {
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
    return { kind: 'rejected', rejection: { origin, reason: 'not_a_file', message } };
  } catch (error) {
    const message = `Expected a readable file but found none (${errnoOf(error) ?? error}).`;
    const reason = errnoOf(error) === 'EACCES' ? 'unreadable' : 'vanished';
    return { kind: 'rejected', rejection: { origin, reason, message } };
  }
}
