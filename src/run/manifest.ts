import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { RunError } from '../errors.ts';
import { SkipCounter, type Skipped } from '../source/skipped.ts';
import type { Listed, ListingRejection, SourceEntry } from '../source/source.ts';
import { textLines } from '../storage/byte-streams.ts';
import { DurableFile } from '../storage/durable-file.ts';
import { writeAll } from '../storage/output-store.ts';
import { compareUtf8 } from './compare-utf8.ts';
import { EntryTable } from './entry-table.ts';

/** The frozen list of a run: images in row order, and what the listing already had to reject. */
export interface Manifest {
  /** Images, each of which becomes a row or a rejection. */
  readonly count: number;
  /** Sum of the sizes of all images. */
  readonly bytes: number;
  /** Found by the listing and known to give no row; sorted by origin. */
  readonly rejections: readonly ListingRejection[];
  /** Names of the kept columns: each entry has a text for each of them. */
  readonly kept: readonly string[];
  /** Whether an image has a split. */
  readonly hasSplit: boolean;
  /** What the listing left out; not part of the content. */
  readonly skipped: Skipped;
  /** Hex, of manifest.jsonl without the stamps: two lists with the same hash are the same list. */
  readonly sha256: string;
  /** The image at a position, 0 … count - 1; made again at each call. Rows carry the position, from here to the table. */
  entry(index: number): SourceEntry;
  /** The content of manifest.jsonl in pieces of many lines: images in row order, then rejections. */
  lines(): Generator<string>;
}

/**
 * Collects what a source lists, then freezes it.
 *
 * @example
 * const builder = new ManifestBuilder();
 * for await (const listed of source.list(signal)) builder.add(listed);
 * const manifest = builder.freeze();
 */
export class ManifestBuilder {
  readonly #table = new EntryTable();
  readonly #rejections: ListingRejection[] = [];
  readonly #skipped = new SkipCounter();

  /** Images so far, for the progress line. */
  get count(): number {
    return this.#table.count;
  }

  add(listed: Listed): void {
    if (listed.kind === 'rejected') this.#rejections.push(listed.rejection);
    else if (listed.kind === 'skipped') this.#skipped.add(listed.why);
    else this.#addImage(listed.entry);
  }

  /**
   * Sorts by the UTF-8 bytes of `origin` and closes the list.
   *
   * @param limit keep the first images of that order (`--limit`); rejections of the listing stay
   * @param keptColumns names of what the entries bring as `kept`
   * @throws RunError when an origin occurs twice, as images or as rejections
   */
  freeze(limit = Number.POSITIVE_INFINITY, keptColumns: readonly string[] = []): Manifest {
    const table = this.#table;
    const order = table.sorted();
    for (let i = 1; i < order.length; i++) {
      if (table.compare(order[i - 1], order[i]) === 0) throw refuseTwin(table.origin(order[i]));
    }
    const rejections = this.#rejections.sort((a, b) => compareUtf8(a.origin, b.origin));
    rejections.forEach(({ origin }, i) => {
      if (origin === rejections[i + 1]?.origin || has(table, order, origin)) {
        throw refuseTwin(origin);
      }
    });
    const kept = order.subarray(0, Math.min(order.length, limit));
    for (let i = kept.length; i < order.length; i++) this.#skipped.add('beyond --limit');
    return new FrozenManifest(table, kept, rejections, this.#skipped.counts(), keptColumns);
  }

  #addImage(entry: SourceEntry): void {
    // A lone surrogate (a JSON list can hold one) has no UTF-8: neither a table nor a file could name it.
    if (/\p{Surrogate}/u.test(entry.origin)) {
      const message = 'Expected a name that is text but found half a character in it.';
      this.#rejections.push({ origin: entry.origin, reason: 'name_not_utf8', message });
      return;
    }
    this.#table.add(entry);
  }
}

/** The images, in row order. */
export function* entriesOf(manifest: Manifest): Generator<SourceEntry, undefined> {
  for (let index = 0; index < manifest.count; index++) yield manifest.entry(index);
}

/** The list as all jobs but the first see it: what the listing rejected or left out is counted by one of them. */
export function withoutRejections(manifest: Manifest): Manifest {
  const { count, bytes, kept, hasSplit, sha256 } = manifest;
  return {
    ...{ count, bytes, kept, hasSplit, sha256, rejections: [], skipped: {} },
    entry: (index) => manifest.entry(index),
    lines: () => manifest.lines(),
  };
}

/** Writes manifest.jsonl durably. @throws ExportError */
export async function writeManifest(path: string, manifest: Manifest): Promise<void> {
  const file = await DurableFile.create(path, 'the list of images');
  await writeAll(file, manifestBytes(manifest));
}

/** The content of manifest.jsonl. */
export function* manifestBytes(manifest: Manifest): Generator<Uint8Array> {
  for (const piece of manifest.lines()) yield Buffer.from(piece);
}

/**
 * @param path as messages name it
 * @throws RunError when the file is missing or damaged
 */
export async function readManifest(
  path: string,
  bytes: AsyncIterable<Uint8Array> = createReadStream(path),
): Promise<Manifest> {
  const builder = new ManifestBuilder();
  let kept: readonly string[] = [];
  try {
    for await (const line of textLines(bytes)) {
      const record = JSON.parse(line);
      if (isHeader(record)) kept = record.kept;
      else builder.add(parseRecord(record));
    }
  } catch (error) {
    throw new RunError(`Expected a list of images in ${path} but found ${String(error)}.`, {
      cause: error,
      fix: 'Start again with --overwrite.',
    });
  }
  return builder.freeze(undefined, kept);
}

class FrozenManifest implements Manifest {
  readonly #table: EntryTable;
  readonly #order: Uint32Array;
  readonly rejections: readonly ListingRejection[];
  readonly skipped: Skipped;
  readonly kept: readonly string[];
  readonly hasSplit: boolean;
  readonly bytes: number;
  readonly sha256: string;

  constructor(
    table: EntryTable,
    order: Uint32Array,
    rejections: readonly ListingRejection[],
    skipped: Skipped,
    kept: readonly string[],
  ) {
    this.#table = table;
    this.#order = order;
    this.rejections = rejections;
    this.skipped = skipped;
    this.kept = kept;
    this.hasSplit = order.some((i) => table.isLabelled(i) && table.get(i).split !== undefined);
    this.bytes = order.reduce((sum, i) => sum + table.size(i), 0);
    const hash = createHash('sha256');
    for (const piece of this.#pieces(false)) hash.update(piece);
    this.sha256 = hash.digest('hex');
  }

  get count(): number {
    return this.#order.length;
  }

  entry(index: number): SourceEntry {
    return this.#table.get(this.#order[index]);
  }

  lines(): Generator<string> {
    return this.#pieces(true);
  }

  *#pieces(withStamps: boolean): Generator<string> {
    let piece = this.kept.length === 0 ? '' : `${JSON.stringify({ kept: this.kept })}\n`;
    for (let i = 0; i < this.#order.length; i++) {
      piece += printLine(this.entry(i), withStamps);
      if (piece.length > PIECE_CHARS) {
        yield piece;
        piece = '';
      }
    }
    for (const { origin, reason, message } of this.rejections) {
      piece += `${JSON.stringify({ origin, reason, message })}\n`;
    }
    yield piece;
  }
}

const PIECE_CHARS = 1 << 16;

// An image is an array, for size; a location that equals its origin is 0; its split and kept texts are an object.
function printLine(entry: SourceEntry, withStamp: boolean): string {
  const { origin, target, location, size, version, stamp } = entry;
  const place = location === origin ? 0 : location;
  const fields: unknown[] = [origin, target, place, size, version];
  const { split, kept } = entry;
  if (split !== undefined || kept !== undefined) fields.push({ split, kept });
  if (withStamp && stamp !== undefined) fields.push(stamp);
  return `${JSON.stringify(fields)}\n`;
}

/** The first line of a list with kept columns names them. */
function isHeader(record: unknown): record is { readonly kept: readonly string[] } {
  return Array.isArray((record as { kept?: unknown } | null)?.kept);
}

function parseRecord(record: unknown): Listed {
  if (typeof (record as ListingRejection | null)?.origin === 'string') {
    return { kind: 'rejected', rejection: record as ListingRejection };
  }
  const fields: unknown[] = Array.isArray(record) ? record : [];
  const [origin, target, place, size, version, ...rest] = fields;
  const [labels, stamp] = typeof rest[0] === 'object' ? rest : [undefined, rest[0]];
  const expected = 5 + Number(labels !== undefined) + Number(stamp !== undefined);
  if (fields.length < 5 || fields.length !== expected) {
    throw new Error(`the line ${JSON.stringify(record)}`);
  }
  const location = place === 0 ? origin : place;
  const entry = { origin, target, location, size, version, stamp, ...(labels as object) };
  return { kind: 'image', entry: entry as SourceEntry };
}

/** Whether the sorted table holds the origin. */
function has(table: EntryTable, order: Uint32Array, origin: string): boolean {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const difference = compareUtf8(table.origin(order[middle]), origin);
    if (difference === 0) return true;
    if (difference < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}

function refuseTwin(origin: string): RunError {
  return new RunError(`Expected each image once in the input but found ${origin} twice.`, {
    fix: 'Name it once in the list or archive, or choose --origin path so that names differ.',
  });
}
