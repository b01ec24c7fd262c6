import { createReadStream, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { errnoOf, SourceError } from '../errors.ts';
import type { OriginForm } from './origin.ts';
import { originOf } from './origin.ts';
import type { Listed, Source, SourceEntry } from './source.ts';

/**
 * Images named in a file: one path a line, or JSON lines `{"path": "...", "target": "..."}` (`origin`
 * may stand for `path`). Relative paths start at the working folder, as `find … > list.txt` writes them.
 * Every line is wanted: a path that does not exist is a rejection, never skipped.
 */
export function openListSource(input: string, options: { originForm: OriginForm }): Source {
  return {
    input,
    isLocal: true,
    async *list(signal) {
      const lines = createInterface({ input: createReadStream(input), crlfDelay: Infinity });
      let lineNumber = 0;
      for await (const line of lines) {
        signal.throwIfAborted();
        lineNumber += 1;
        if (line.trim() === '') continue;
        const wanted = parseLine(line, lineNumber, input);
        yield listPath(wanted, options.originForm);
      }
    },
    read: (entry: SourceEntry) => readFile(entry.location),
  };
}

interface WantedImage {
  readonly path: string;
  readonly target: string | undefined;
}

function parseLine(line: string, lineNumber: number, input: string): WantedImage {
  if (!line.trimStart().startsWith('{')) return { path: line, target: undefined };
  let parsed: { path?: unknown; origin?: unknown; target?: unknown };
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
  if (typeof path !== 'string' || !['string', 'undefined'].includes(typeof parsed.target)) {
    throw new SourceError(
      `Expected a string "path" (and "target") in line ${lineNumber} of ${input} but found ${line.slice(0, 200)}.`,
    );
  }
  return { path, target: parsed.target as string | undefined };
}

function listPath(wanted: WantedImage, form: OriginForm): Listed {
  const location = resolve(wanted.path);
  const origin = originOf(form, { input: wanted.path, relative: '', path: location });
  try {
    const stats = statSync(location);
    const target = wanted.target ?? basename(dirname(location));
    const version = String(stats.mtimeMs);
    if (stats.isFile()) {
      return { kind: 'image', entry: { origin, target, location, size: stats.size, version } };
    }
    const message = 'Expected an image file but found a folder, device or pipe.';
    return { kind: 'rejected', rejection: { origin, reason: 'not_a_file', message } };
  } catch (error) {
    const message = `Expected a readable file but found none (${errnoOf(error) ?? error}).`;
    const reason = errnoOf(error) === 'EACCES' ? 'unreadable' : 'vanished';
    return { kind: 'rejected', rejection: { origin, reason, message } };
  }
}
