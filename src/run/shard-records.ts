import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunError } from '../errors.ts';
import type { ImageRejection } from '../image/decoded-chunk.ts';
import { expectWholeShard } from './expect-whole-shard.ts';
import type { Shard, ShardPlan } from './plan-shards.ts';
import { openSealed } from './sealed-json.ts';
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
  /** By shard id; undefined = not committed. */
  readonly records: (ShardRecord | undefined)[];
  /** One sentence for each shard whose rows do not match its record. */
  readonly damaged: string[];
}

/**
 * Reads the records of a work folder and checks each against its sum and its shard: every position once, as a row or as a
 * rejection. Unless only records are left, every file of rows is checked against its record, too.
 */
export async function findShards(
  dir: string,
  plan: ShardPlan,
  options: { readonly withRows: boolean; readonly lengths: readonly number[] },
): Promise<FoundShards> {
  const found: FoundShards = { records: [], damaged: [] };
  for (const shard of plan.shards) {
    const path = shardPath(dir, shard.id, 'json');
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const record = text === undefined ? undefined : await soundRecord(dir, text, shard, options);
    found.records.push(record);
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
export function expectAllRecords(dir: string, { records }: FoundShards): ShardRecord[] {
  const whole = records.filter((record) => record !== undefined);
  if (whole.length === records.length) return whole;
  throw new RunError(
    `Expected the records of the finished run in ${dir} but found some of them missing or damaged.`,
    { fix: 'Give --overwrite to compute the table again.' },
  );
}

/** `<dir>/shards/00007.bin` */
export function shardPath(dir: string, id: number, extension: 'bin' | 'json'): string {
  return join(dir, 'shards', `${String(id).padStart(5, '0')}.${extension}`);
}

/** Undefined where the record is damaged, or does not describe these rows. */
async function soundRecord(
  dir: string,
  text: string,
  shard: Shard,
  { withRows, lengths }: { readonly withRows: boolean; readonly lengths: readonly number[] },
): Promise<ShardRecord | undefined> {
  const record = openSealed(text) as ShardRecord | undefined;
  try {
    if (record?.id !== shard.id) return undefined;
    const { rows, rejections, sha256 } = record;
    const path = shardPath(dir, shard.id, 'bin');
    const stored = withRows ? await readShardFile(path, rows, lengths, sha256) : undefined;
    if (withRows && stored === undefined) return undefined;
    // Without the rows, those are all positions that were not rejected.
    const indices = stored?.indices ?? positionsBeside(rejections, shard);
    expectWholeShard(
      shard,
      { indices, outputs: stored?.outputs ?? [], rejections },
      stored ? lengths : [],
    );
    return indices.length === rows ? record : undefined;
  } catch {
    // Damaged by a disk that failed, or no record at all: its rows are computed again.
    return undefined;
  }
}

function positionsBeside(rejections: ShardRecord['rejections'], { start, end }: Shard): number[] {
  const rejected = new Set(rejections.map(({ index }) => index));
  const all = Array.from({ length: end - start }, (_, i) => start + i);
  return all.filter((index) => !rejected.has(index));
}
