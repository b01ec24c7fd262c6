import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TooManyBadError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import { printableJson } from '../json.ts';
import type { BadLimit } from '../options/option-values.ts';
import type { ListingRejection } from '../source/source.ts';
import { type OutputStore, type WrittenFile, writeAll } from '../storage/output-store.ts';
import { compareUtf8 } from './compare-utf8.ts';
import { readIntact } from './intact-files.ts';
import type { Manifest } from './manifest.ts';
import type { RunStore } from './run-store.ts';

/** One image without a row; rejections of a listing and of a decoder have this form. */
export type Rejection = ListingRejection;

/**
 * Writes `rejected.jsonl`: one object a line, `origin`, `reason`, `message`, sorted by the UTF-8 bytes of origin.
 * Always there: an empty file says that nothing was rejected.
 */
export async function writeRejections(
  store: OutputStore,
  rejections: Iterable<Rejection>,
): Promise<WrittenFile> {
  const sorted = byOrigin(rejections);
  const pieces = function* () {
    for (let i = 0; i < sorted.length; i += 1000) {
      yield Buffer.from(
        sorted
          .slice(i, i + 1000)
          .map(rejectionLine)
          .join(''),
      );
    }
  };
  return writeAll(await store.create('rejected.jsonl'), pieces());
}

/** The first `most` of a finished run's rejections; undefined where its run.json lists none. @throws RunError for another file */
export async function readRejections(
  store: OutputStore,
  files: readonly WrittenFile[],
  most?: number,
): Promise<Rejection[] | undefined> {
  const file = files.find(({ name }) => name === 'rejected.jsonl');
  if (file === undefined) return undefined;
  const lines = (await readIntact(store, file)).toString().split('\n', most);
  return lines.filter(Boolean).map((line) => JSON.parse(line) as Rejection);
}

/** In the work folder of a run that --max-bad stopped: nobody takes it for the table's `rejected.jsonl`. */
const SO_FAR = 'rejected-so-far.jsonl';

export function writeRejectionsSoFar(
  dir: string,
  rejections: TooManyBadError['rejections'],
): string {
  const path = join(dir, SO_FAR);
  writeFileSync(path, rejections.map(rejectionLine).join(''));
  return path;
}

export function removeRejectionsSoFar(dir: string): void {
  rmSync(join(dir, SO_FAR), { force: true });
}

function rejectionLine({ origin, reason, message }: TooManyBadError['rejections'][number]): string {
  return `${printableJson({ origin, reason, message })}\n`;
}

/** Gathers what a run rejects, for the error that ends it where those are too many; nothing where they cannot be. */
export class RejectionsSoFar {
  readonly #found = new Map<string, TooManyBadError['rejections'][number]>();
  readonly #isOff: boolean;

  constructor(maxBad: BadLimit) {
    this.#isOff = 'percent' in maxBad && maxBad.percent >= 100;
  }

  /** Takes the rejections among the events of a run. */
  add(event: RunEvent): void {
    if (event.event !== 'rejected') return;
    const { origin, reason, message } = event;
    this.#keep({ origin, reason, message });
  }

  /** Of the shards that earlier attempts have stored. */
  addStored(manifest: Manifest, store: RunStore): void {
    for (const { id } of store.plan.shards) {
      if (!store.isCommitted(id)) continue;
      for (const rejection of shardRejections(manifest, store, id)) this.#keep(rejection);
    }
  }

  inOrder(): TooManyBadError['rejections'] {
    return byOrigin(this.#found.values());
  }

  #keep(rejection: TooManyBadError['rejections'][number]): void {
    if (!this.#isOff) this.#found.set(rejection.origin, rejection);
  }
}

/** Every rejection of a run whose shards are all committed: those of the listing, then those of the decoders. */
export function* runRejections(manifest: Manifest, store: RunStore): Generator<Rejection> {
  yield* manifest.rejections;
  for (const { id } of store.plan.shards) yield* shardRejections(manifest, store, id);
}

/** Those of one shard, which is committed. */
function* shardRejections(manifest: Manifest, store: RunStore, id: number): Generator<Rejection> {
  for (const { index, reason, message } of store.shardRecord(id).rejections) {
    yield { origin: manifest.entry(index).origin, reason, message };
  }
}

/** By the UTF-8 bytes of origin. */
function byOrigin<T extends { readonly origin: string }>(rejections: Iterable<T>): T[] {
  return [...rejections].sort((a, b) => compareUtf8(a.origin, b.origin));
}
