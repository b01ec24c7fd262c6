import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunError } from '../errors.ts';
import type { ImageRejection } from '../image/decoded-chunk.ts';
import { parseJson } from '../json.ts';
import { fingerprint, type RunIdentity } from './fingerprint.ts';
import type { Shard, ShardPlan } from './plan-shards.ts';
import { readShardFile } from './shard-file.ts';

/** The small file that commits a shard. */
export interface ShardRecord {
  readonly id: number;
  readonly rows: number;
  /** Values in each vector, by output. */
  readonly lengths: readonly number[];
  readonly rejections: readonly ImageRejection[];
  readonly bytes: number;
  /** SHA-256 of the shard's file, hex. */
  readonly sha256: string;
  /** Batches ran in parts of at most so many images, as memory ran out; absent where none did. */
  readonly halvedTo?: number;
}

export interface FoundShards {
  /** Of the committed ones, by shard id. */
  readonly records: Map<number, ShardRecord>;
  /** One sentence for each shard whose rows do not match its record. */
  readonly damaged: string[];
}

interface FindOptions {
  /** Whether the rows are still there, and checked. */
  readonly withRows: boolean;
  readonly lengths: readonly number[];
}

/**
 * Reads the records of a work folder and checks each against its sum and its shard: every position once, as a row or as a
 * rejection. Unless only records are left, every file of rows is checked against its record, too.
 */
export async function findShards(
  dir: string,
  plan: ShardPlan,
  options: FindOptions,
): Promise<FoundShards> {
  const found: FoundShards = { records: new Map(), damaged: [] };
  for (const shard of plan.shards) {
    const path = shardPath(dir, shard.id, 'json');
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const record =
      text === undefined ? undefined : await soundRecord(dir, text, shard, plan.views, options);
    if (record !== undefined) found.records.set(shard.id, record);
    if (text !== undefined && record === undefined) {
      const what = options.withRows ? shardPath(dir, shard.id, 'bin') : path;
      found.damaged.push(
        `Shard ${shard.id} does not match its record (${what}); its rows are computed again.`,
      );
    }
  }
  return found;
}

/** Of a finished run, whose rows are removed: what its records do not hold cannot be computed again. @throws RunError */
export function expectAllRecords(
  dir: string,
  { shards }: ShardPlan,
  { records }: FoundShards,
): ShardRecord[] {
  if (records.size === shards.length) return [...records.values()];
  throw new RunError(
    `Expected the records of the finished run in ${dir} but found some of them missing or damaged.`,
    { fix: 'Give --overwrite to compute the table again.' },
  );
}

/** `<dir>/shards/00007.bin` */
export function shardPath(dir: string, id: number, extension: 'bin' | 'json'): string {
  return join(dir, 'shards', shardFileName(id, extension));
}

/** `00007.bin` */
export function shardFileName(id: number, extension: 'bin' | 'json'): string {
  return `${String(id).padStart(5, '0')}.${extension}`;
}

/** Undefined where the record is damaged, or does not describe these rows. */
export async function soundRecord(
  dir: string,
  text: string,
  shard: Shard,
  views: number,
  { withRows, lengths }: FindOptions,
): Promise<ShardRecord | undefined> {
  const record = openSealed(text) as ShardRecord | undefined;
  try {
    if (record?.id !== shard.id) return undefined;
    const { rows, rejections, sha256 } = record;
    const path = shardPath(dir, shard.id, 'bin');
    const stored = withRows ? await readShardFile(path, rows, lengths, sha256) : undefined;
    if (withRows && stored === undefined) return undefined;
    // Without the rows, those are all positions that were not rejected.
    const indices = stored?.indices ?? positionsBeside(rejections, shard, views);
    expectWholeShard(
      shard,
      { indices, outputs: stored?.outputs ?? [], rejections },
      stored ? lengths : [],
      views,
    );
    return indices.length === rows ? record : undefined;
  } catch {
    // Damaged by a disk that failed, or no record at all: its rows are computed again.
    return undefined;
  }
}

function positionsBeside(
  rejections: ShardRecord['rejections'],
  { start, end }: Shard,
  views: number,
): number[] {
  const rejected = new Set(rejections.map(({ index }) => index));
  const all = Array.from(
    { length: (end - start) * views },
    (_, i) => start + Math.floor(i / views),
  );
  return all.filter((index) => !rejected.has(index));
}

/** JSON of a record with a SHA-256 over the rest of it, so that one changed digit is detected. */
export function sealJson(record: object): string {
  return `${JSON.stringify({ ...record, sum: fingerprint(record as RunIdentity) })}\n`;
}

/**
 * @returns the record without its sum; undefined where the text is no JSON object or has another sum. A record
 *   of version 0.1.0 has none and is accepted: the caller compares it with what else it knows.
 */
export function openSealed(text: string): object | undefined {
  try {
    const { sum, ...record } = parseJson(text, { name: 'a record', error: Error, fix: '' }) as {
      readonly sum?: unknown;
    };
    return sum === undefined || sum === fingerprint(record as RunIdentity) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** What `writeShard` takes: every position of the shard is either a row or a rejection. */
export interface ShardContent {
  /** Manifest positions of the rows, ascending; that of an image with views once for each of them. */
  readonly indices: readonly number[] | Uint32Array;
  /** For each output float32 [n, length], row-major. */
  readonly outputs: readonly Float32Array[];
  readonly rejections: readonly ImageRejection[];
}

/**
 * Checks that no row is lost or moved: every position is there once, as an image with all its views or as a
 * rejection, rows are in order, and each output has one vector for each row.
 *
 * @throws RunError
 */
export function expectWholeShard(
  shard: Shard,
  { indices, outputs, rejections }: ShardContent,
  lengths: readonly number[],
  views = 1,
): void {
  const seen = new Uint8Array(shard.end - shard.start);
  const images: number[] = [];
  for (let i = 0; i < indices.length; i += views) images.push(indices[i]);
  for (const [i, index] of indices.entries()) {
    if (index === images[Math.floor(i / views)] && indices.length % views === 0) continue;
    throw wrongShard(shard.id, `position ${index} without all its ${views} views`);
  }
  for (const index of [...images, ...rejections.map((rejection) => rejection.index)]) {
    if (!(index >= shard.start && index < shard.end)) {
      throw wrongShard(shard.id, `position ${index} outside ${shard.start}–${shard.end - 1}`);
    }
    if (seen[index - shard.start]++) throw wrongShard(shard.id, `position ${index} twice`);
  }
  const missing = seen.indexOf(0);
  if (missing !== -1) throw wrongShard(shard.id, `position ${shard.start + missing} missing`);
  for (let i = 1; i < images.length; i++) {
    if (images[i] < images[i - 1]) throw wrongShard(shard.id, `position ${images[i]} out of order`);
  }
  lengths.forEach((length, i) => {
    const expected = indices.length * length;
    const found = outputs[i]?.length ?? 0;
    if (found !== expected)
      throw wrongShard(shard.id, `${found} values instead of ${expected} for output ${i}`);
  });
}

function wrongShard(id: number, found: string): RunError {
  return new RunError(
    `Expected each image of shard ${id} once but found ${found}; rows would be mixed up.`,
    {
      fix: 'This is a fault of img2features: please report it with the command that shows it.',
    },
  );
}
