import { createReadStream, existsSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, normalize, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf, SourceError } from '../errors.ts';
import { readImageFile } from '../image/read-image-file.ts';
import { show } from '../json.ts';
import { mapOrdered } from '../map-ordered.ts';
import { isS3Url } from '../s3/s3-address.ts';
import { openListText } from './list-rows.ts';
import { type LabelledPath, type ListColumns, RowColumns } from './row-columns.ts';
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

/** How a list is read. */
export interface ListOptions extends S3SourceOptions {
  readonly columns?: ListColumns | undefined;
}

/**
 * Images named in a file, or on standard input (`-`): paths or `s3://bucket/key`, JSON lines or a JSON array of
 * `{"path": "...", "target": "..."}`, or a table with a header (see {@link openListText}). Relative paths start at the working
 * folder, as `find … > list.txt` writes them, or, where the first that exists is not there but beside the list, at the list's own
 * folder. Every row counts: a path that does not exist is a rejection, never skipped; columns that are not read are named in a note.
 */
export function openListSource(input: string, options: ListOptions): Source {
  const objects = new NamedObjects(options);
  let hasObjects = false;
  const columns = new RowColumns(input, options.columns ?? {});
  const places = new Places(input, options.originForm);

  return {
    input,
    /** Known once the list was read. */
    get isLocal() {
      return !hasObjects;
    },
    get isInStore() {
      return hasObjects;
    },
    get keptColumns() {
      return columns.kept;
    },
    async *list(signal) {
      yield* mapOrdered(labelledPaths(input, columns, signal), IN_FLIGHT, async (row) => {
        if (!isS3Url(row.path)) return withLabels(listPath(row.path, input, places), row);
        hasObjects = true;
        return withLabels(await objects.find(row.path, signal), row);
      });
    },
    async read(entry: SourceEntry, signal: AbortSignal) {
      if (isS3Url(entry.location)) return objects.read(entry, signal);
      // In a list with objects, local files are read here, not by the workers; their size was checked by the caller.
      return readImageFile(entry.location, Number.POSITIVE_INFINITY, entry);
    },
    notes: () => [...places.notes(), ...columns.notes()],
    close: () => objects.close(),
  };
}

/** The rows of a list, of labels too. @throws SourceError */
export async function* labelledPaths(
  input: string,
  columns: RowColumns,
  signal: AbortSignal,
): AsyncGenerator<LabelledPath> {
  if (input === '-' && process.stdin.isTTY) {
    throw new SourceError('Expected a list of images on standard input but found a terminal.', {
      fix: 'Pipe a list into it: find dataset -name "*.jpg" | img2features - --mode pixels --out features',
    });
  }
  const bytes = input === '-' ? process.stdin : createReadStream(input);
  try {
    const text = await openListText(bytes, input, columns.pathColumn);
    columns.expectColumns(text);
    for await (const row of text.rows) {
      signal.throwIfAborted();
      yield columns.read(row);
    }
    columns.expectAllFound();
  } finally {
    // After an error a program that still writes into the pipe would keep this one waiting.
    bytes.destroy();
  }
}

/** What a row says goes before what the place of an image says. */
export function withLabels(listed: Listed, { target, split, kept }: Labels): Listed {
  if (listed.kind !== 'image') return listed;
  const entry = {
    ...listed.entry,
    ...(target !== undefined && { target }),
    ...(split !== undefined && { split }),
    ...(kept !== undefined && { kept }),
  };
  return { kind: 'image', entry };
}

type Labels = Pick<LabelledPath, 'target' | 'split' | 'kept'>;

/** Where the relative paths of a list start: one place for all of them. */
class Places {
  readonly #input: string;
  readonly #form: OriginForm;
  /** The list's folder; undefined where paths start at the working folder, or nothing was found yet. */
  #folder: string | undefined;
  #isDecided: boolean;

  constructor(input: string, form: OriginForm) {
    this.#input = input;
    this.#form = form;
    this.#isDecided = input === '-' || resolve(dirname(input)) === resolve();
  }

  find(path: string): { readonly location: string; readonly origin: string } {
    // Origins of our own tables can be URLs.
    if (isFileUrl(path)) return this.#at(fileURLToPath(path), path);
    if (!this.#isDecided && !isAbsolute(path)) {
      const beside = dirname(this.#input);
      this.#isDecided = existsSync(resolve(path)) || existsSync(resolve(beside, path));
      if (this.#isDecided && !existsSync(resolve(path))) this.#folder = beside;
    }
    if (this.#folder === undefined || isAbsolute(path)) return this.#at(resolve(path), path);
    const location = resolve(this.#folder, path);
    const found = { input: this.#folder, relative: normalize(path), path: location };
    return { location, origin: originOf(this.#form, found) };
  }

  notes(): string[] {
    if (this.#folder === undefined) return [];
    return [
      `Paths in ${this.#input} start at its own folder, ${this.#folder}: in the working folder the first of them does not exist.`,
    ];
  }

  #at(location: string, input: string) {
    return { location, origin: originOf(this.#form, { input, relative: '', path: location }) };
  }
}

/** @throws SourceError for a line of a table: a path that is there, and more behind a separator */
function refuseTableLine(path: string, input: string): void {
  const at = path.search(/[,;\t]/);
  if (at <= 0 || !existsSync(resolve(path.slice(0, at)))) return;
  throw new SourceError(
    `Expected one path a line in ${input} but found a table without a header: ${show(path.slice(0, at))} is a file, what follows it is not part of its name.`,
    {
      fix: 'Write a header such as path,target as its first line, or the path alone in each line.',
    },
  );
}

function isFileUrl(path: string): boolean {
  return /^file:\/\/\//i.test(path) && URL.canParse(path) && !/%2f/i.test(path);
}

function listPath(path: string, input: string, places: Places): Listed {
  const { location, origin } = places.find(path);
  try {
    const stats = statSync(location);
    const target = basename(dirname(location));
    if (stats.isFile()) {
      return { kind: 'image', entry: { origin, target, location, ...fileState(stats) } };
    }
    const message = 'Expected an image file but found a folder, device or pipe.';
    return rejected(origin, 'not_a_file', message);
  } catch (error) {
    refuseTableLine(path, input);
    const message = `Expected a readable file but found none (${errnoOf(error) ?? error}).`;
    const reason = errnoOf(error) === 'EACCES' ? 'unreadable' : 'vanished';
    return rejected(origin, reason, message);
  }
}
