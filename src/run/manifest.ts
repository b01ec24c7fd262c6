import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { RunError } from '../errors.ts';
import { DurableFile } from '../export/durable-file.ts';
import type { Listed, ListingRejection, SourceEntry } from '../source/source.ts';
import { compareUtf8 } from './compare-utf8.ts';

/** The frozen list of a run: images in row order, and what the listing already had to reject. */
export class Manifest {
  readonly #entries: readonly SourceEntry[];
  readonly rejections: readonly ListingRejection[];
  /** Files that do not look like images. */
  readonly ignored: number;
  /** Hex, over the content: two lists with the same hash are the same list. */
  readonly sha256: string;

  constructor(entries: SourceEntry[], rejections: ListingRejection[], ignored: number) {
    this.#entries = entries;
    this.rejections = rejections;
    this.ignored = ignored;
    const hash = createHash('sha256');
    for (const line of this.lines()) hash.update(line);
    this.sha256 = hash.digest('hex');
  }

  get count(): number {
    return this.#entries.length;
  }

  /** The image at a position; rows carry this position from here to the table. */
  entry(index: number): SourceEntry {
    return this.#entries[index];
  }

  /** The content of manifest.jsonl in pieces of many lines: images in row order, then rejections. */
  *lines(): Generator<string> {
    let piece = '';
    for (const { origin, target, location, size, version } of this.#entries) {
      piece += `${JSON.stringify([origin, target, location === origin ? 0 : location, size, version])}\n`;
      if (piece.length > 1 << 16) {
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

/** Collects what a source lists, then freezes it. */
export class ManifestBuilder {
  readonly #entries: SourceEntry[] = [];
  readonly #rejections: ListingRejection[] = [];
  #ignored = 0;

  /** Images so far, for the progress line. */
  get count(): number {
    return this.#entries.length;
  }

  add(listed: Listed): void {
    if (listed.kind === 'image') this.#entries.push(listed.entry);
    else if (listed.kind === 'rejected') this.#rejections.push(listed.rejection);
    else this.#ignored++;
  }

  /**
   * Sorts by the UTF-8 bytes of `origin` and closes the list.
   *
   * @throws RunError when two images have the same origin
   */
  freeze(limit = Number.POSITIVE_INFINITY): Manifest {
    this.#entries.sort((a, b) => compareUtf8(a.origin, b.origin));
    this.#rejections.sort((a, b) => compareUtf8(a.origin, b.origin));
    for (let i = 1; i < this.#entries.length; i++) {
      const { origin } = this.#entries[i];
      if (origin === this.#entries[i - 1].origin) {
        throw new RunError(`Expected each image once in the input but found ${origin} twice.`, {
          fix: 'Name it once in the list, or choose --origin path so that names differ.',
        });
      }
    }
    return new Manifest(this.#entries.slice(0, limit), this.#rejections, this.#ignored);
  }
}

/** Writes manifest.jsonl durably. */
export async function writeManifest(path: string, manifest: Manifest): Promise<void> {
  const file = await DurableFile.create(path, 'the list of images');
  for (const piece of manifest.lines()) await file.write(Buffer.from(piece));
  await file.commit();
}

/** @throws RunError when the file is missing or damaged */
export async function readManifest(path: string): Promise<Manifest> {
  const entries: SourceEntry[] = [];
  const rejections: ListingRejection[] = [];
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: 0 })) {
      const record = JSON.parse(line);
      if (!Array.isArray(record)) {
        rejections.push(record);
        continue;
      }
      const [origin, target, location, size, version] = record;
      entries.push({ origin, target, location: location === 0 ? origin : location, size, version });
    }
  } catch (error) {
    throw new RunError(`Expected a list of images in ${path} but found ${String(error)}.`, {
      cause: error,
      fix: 'Start anew with --overwrite.',
    });
  }
  return new Manifest(entries, rejections, 0);
}
