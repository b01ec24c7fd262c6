import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { SourceError } from '../../errors.ts';
import { DecodeError } from '../../image/decode-error.ts';
import { readImageFile } from '../../image/read-image-file.ts';
import { mapOrdered } from '../../map-ordered.ts';
import { isInStore } from '../../place.ts';
import { FILE_ARCHIVES } from '../archive/archive-bytes.ts';
import { objectArchives } from '../archive/object-archives.ts';
import type { ListOptions } from '../list-source.ts';
import { commonFolder } from '../several-files.ts';
import { originOf, type Source, type SourceEntry } from '../source.ts';
import { OpenParquet } from './parquet-file.ts';

/** Files that are listed at once: of a store, each waits for its answers. */
const IN_FLIGHT = { files: 1, objects: 8 };
/** Row groups kept in memory: rows are read in their order, and those that are fetched ahead may be in the next one. */
const KEPT_GROUPS = 2;
/** Files kept open: the end of so few is read by the listing alone. */
const KEPT_FILES = 64;
/** Digits of a row in origins: their order as text is the order of the rows. */
const ROW_DIGITS = 9;

/** Whether an input is a Parquet file, or several written with braces or `*`. */
export function isParquetName(input: string): boolean {
  return /\.parquet$/i.test(input);
}

/**
 * Images in columns of Parquet files, on a disk or in a store, as Hugging Face's `datasets` stores them: a struct `{ bytes, path }`, or binary;
 * without bytes the path is read, which begins at the file's folder. Class, split and kept columns are those that `findColumns` finds.
 * An origin is the file's name, `#` and the row: paths in the struct are often missing, or the same in several rows. Row
 * groups are read one after the other.
 */
export function openParquetSource(input: string, options: ListOptions): Source {
  const { originForm, columns: wanted = {} } = options;
  const inStore = isInStore(input, 'the input');
  const files = inStore ? objectArchives(options.s3) : FILE_ARCHIVES;
  const front = commonFolder(input);
  const notes: string[] = [];
  let kept: readonly string[] = [];
  const opened = new Recent<OpenParquet>(KEPT_FILES, (file) => file.close());
  const groups = new Recent<Rows>(KEPT_GROUPS);

  return {
    input,
    // The decode workers do not read Parquet.
    isLocal: false,
    isInStore: inStore,
    get keptColumns() {
      return kept;
    },
    async *list(signal) {
      const given = await files.named(input, signal);
      const inFlight = inStore ? IN_FLIGHT.objects : IN_FLIGHT.files;
      const relative = (name: string) =>
        given.length > 1 ? name.slice(front.length) : basename(name);
      const listed = mapOrdered(given, inFlight, (name) => listFile(name, relative(name), signal));
      for await (const { columns, entries, name } of listed) {
        if (name === given[0]) {
          kept = columns.kept;
          if (columns.others.length > 0) {
            notes.push(
              `Not read of ${name}: the columns ${columns.others.join(', ')}. --keep-columns carries columns into the table.`,
            );
          }
        } else if (String(columns.kept) !== String(kept)) {
          throw new SourceError(
            `Expected the columns of ${given[0]} in all files but found others in ${name}.`,
            { fix: 'Name by --keep-columns those that all of them have.' },
          );
        }
        for (const entry of entries) yield { kind: 'image', entry };
      }
    },
    async read({ location, version }, signal) {
      const [, ofFile, group, row] = VERSION.exec(version)!;
      const path = location.slice(0, location.lastIndexOf('#'));
      const read = await groups.get(`${path} ${group}`, () =>
        readGroup(path, ofFile, Number(group), signal),
      );
      return read(Number(row));
    },
    notes: () => notes,
    async close() {
      opened.clear();
      await files.close();
    },
  };

  function openFile(path: string, signal: AbortSignal): Promise<OpenParquet> {
    return opened.get(path, () => OpenParquet.open(path, { files, wanted }, signal));
  }

  async function listFile(name: string, relative: string, signal: AbortSignal) {
    signal.throwIfAborted();
    const path = inStore ? name : resolve(name);
    const file = await openFile(path, signal);
    const { columns } = file;
    const { label, split } = columns;
    const named = [label, split, ...columns.kept].filter((one) => one !== undefined);
    const cells = await file.read(named, signal);
    const text = (column: string, row: number) =>
      columns.textOf(column, cells[named.indexOf(column)](row));
    const origin =
      originForm === 'relative'
        ? relative
        : inStore
          ? name
          : originOf(originForm, { input: name, relative: '', path });
    const entries: SourceEntry[] = [];
    for (const [group, { rows, meanBytes }] of file.rowGroups().entries()) {
      for (let row = 0; row < rows; row++) {
        const number = entries.length;
        const at = `#${String(number).padStart(ROW_DIGITS, '0')}`;
        entries.push({
          origin: origin + at,
          target: label === undefined ? basename(dirname(path)) : text(label, number),
          location: `${path}${at}`,
          // How long each image is, only its bytes say.
          size: meanBytes,
          version: `${file.version} ${group} ${row}`,
          ...(split !== undefined && { split: text(split, number) }),
          ...(columns.kept.length > 0 && { kept: columns.kept.map((one) => text(one, number)) }),
        });
      }
    }
    return { name, columns, entries };
  }

  async function readGroup(
    path: string,
    version: string,
    group: number,
    signal: AbortSignal,
  ): Promise<Rows> {
    // Of an object each range is asked for as the version that was listed.
    if (!inStore && String(statSync(path, { throwIfNoEntry: false })?.mtimeMs) !== version)
      throw changed();
    const file = await openFile(path, signal);
    if (file.version !== version) throw changed();
    const { bytes, path: pathColumn } = file.columns;
    try {
      const names = pathColumn === undefined ? [bytes] : [bytes, pathColumn];
      const [content, paths] = await file.read(names, signal, group);
      return (row) => imageOf(path, content(row), paths?.(row));
    } catch (error) {
      // An archive that has changed ends a listing; later it is the images that have.
      throw error instanceof SourceError && error.cause instanceof DecodeError
        ? error.cause
        : error;
    }
  }

  function imageOf(path: string, bytes: unknown, beside: unknown): Uint8Array {
    if (bytes instanceof Uint8Array) return bytes;
    if (typeof beside === 'string' && !inStore)
      return readImageFile(resolve(dirname(path), beside), Number.POSITIVE_INFINITY);
    const message = `Expected the bytes of an image in the row${inStore ? '' : ', or its path,'} but found ${inStore && typeof beside === 'string' ? `a path alone: ${beside}` : 'neither (null)'}.`;
    throw new DecodeError('empty_file', message);
  }
}

/** The image of a row in a row group. @throws DecodeError where it has none */
type Rows = (row: number) => Uint8Array;

/** Of an entry's version: its file's, its row group, and its row there. */
const VERSION = /^(.*) (\d+) (\d+)$/;

function changed(): DecodeError {
  return new DecodeError(
    'changed',
    'Expected the Parquet file as it was listed but found it changed since.',
  );
}

/** The few things that were used last, by name. */
class Recent<T> {
  readonly #most: number;
  readonly #end: (old: T) => void;
  readonly #all = new Map<string, Promise<T>>();

  constructor(most: number, end: (old: T) => void = () => {}) {
    this.#most = most;
    this.#end = end;
  }

  get(name: string, open: () => Promise<T>): Promise<T> {
    const found = this.#all.get(name) ?? open();
    this.#all.delete(name);
    this.#all.set(name, found);
    // What failed or was aborted may be wanted again.
    found.catch(() => this.#all.get(name) === found && this.#all.delete(name));
    if (this.#all.size > this.#most) this.#drop(this.#all.keys().next().value!);
    return found;
  }

  clear(): void {
    for (const name of this.#all.keys()) this.#drop(name);
  }

  #drop(name: string): void {
    this.#all.get(name)!.then(this.#end, () => {});
    this.#all.delete(name);
  }
}
