import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageRejection } from '../image/decoded-chunk.ts';
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
  /** By shard id; undefined = not committed. */
  readonly records: (ShardRecord | undefined)[];
  /** One sentence for each shard whose rows do not match its record. */
  readonly damaged: string[];
}

/** Reads the records of a work folder; unless only records are left, checks every file of rows against its hash. */
export async function findShards(
  dir: string,
  plan: ShardPlan,
  options: { readonly withRows: boolean; readonly lengths: readonly number[] },
): Promise<FoundShards> {
  const found: FoundShards = { records: [], damaged: [] };
  for (const shard of plan.shards) {
    const record = await readRecord(shardPath(dir, shard.id, 'json'), shard);
    if (
      record !== undefined &&
      options.withRows &&
      !(await isSound(dir, record, options.lengths))
    ) {
      const path = shardPath(dir, shard.id, 'bin');
      found.damaged.push(
        `Shard ${shard.id} does not match its record (${path}); its rows are computed again.`,
      );
      found.records.push(undefined);
    } else {
      found.records.push(record);
    }
  }
  return found;
}

/** `<dir>/shards/00007.bin` */
export function shardPath(dir: string, id: number, extension: 'bin' | 'json'): string {
  return join(dir, 'shards', `${String(id).padStart(5, '0')}.${extension}`);
}

async function readRecord(path: string, shard: Shard): Promise<ShardRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(path, 'utf8')) as ShardRecord;
    const isWhole = record.rows + record.rejections.length === shard.end - shard.start;
    return isWhole && record.id === shard.id ? record : undefined;
  } catch {
    // Missing, or torn by a disk that failed: either way its rows are computed again.
    return undefined;
  }
}

async function isSound(
  dir: string,
  record: ShardRecord,
  lengths: readonly number[],
): Promise<boolean> {
  const path = shardPath(dir, record.id, 'bin');
  const rows = await readShardFile(path, record.rows, lengths, record.sha256).catch(
    () => undefined,
  );
  return rows !== undefined;
}
