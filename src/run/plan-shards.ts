import type { JobShard } from '../options/option-values.ts';

/**
 * How a run is cut into shards and parts, decided before it starts from the number of images and the size of a row alone, so
 * that neither workers nor kills change it.
 *
 * A kill can lose the work of one shard (and of the one being written): a network at 12 images/s makes 512 rows in 43 s,
 * pixels make 4,096 in about a second. Where that is less than a hundredth of the run a network's shard has 1,024 rows:
 * GPUs make them in a fraction of a second, and run batches of up to so many. 32 MiB of vectors make it possible to keep a
 * shard in memory twice (filling and writing).
 * A part is one exported file: whole shards, up to 64 MiB of vectors or 8,192 rows, because readers
 * like few files, and a part is the most that can be lost half-written; 8,192 rows of 300 pixels are also what
 * keeps the memory of 30,000 images at that of 10,000. A row larger than that makes a shard of its own.
 */
export interface Shard {
  readonly id: number;
  /** Positions in the manifest: [start, end). */
  readonly start: number;
  readonly end: number;
}

export interface Part {
  readonly index: number;
  /** Shard ids: [firstShard, endShard). */
  readonly firstShard: number;
  readonly endShard: number;
}

export interface ShardPlan {
  readonly count: number;
  readonly rowBytes: number;
  /** Rows of each image; shards are cut between images. */
  readonly views: number;
  /** Neighbours, by rising id; all of them, or those of one job. */
  readonly shards: readonly Shard[];
  /** At least one, even for no images: a table without rows is still a table. */
  readonly parts: readonly Part[];
}

export interface PlanOptions {
  /** Images in the manifest. */
  readonly count: number;
  /** Bytes of all float32 vectors of one row. */
  readonly rowBytes: number;
  /** Rows that may be lost to a kill: see SHARD_ROWS. */
  readonly maxShardRows: number;
  /** Rows of each image; undefined = 1. */
  readonly views?: number;
}

export const SHARD_ROWS = { pixels: 4096, network: 512, largeNetwork: 1024 } as const;

const SHARD_BYTES = 32 << 20;
const PART_BYTES = 64 << 20;
const PART_ROWS = 8192;
/** Shards end on a multiple of this where they can, so that batches of a power of two divide them. */
const ROW_STEP = 64;

/** From so many rows on a network's shards are the larger ones. */
const MANY_ROWS = 100 * SHARD_ROWS.largeNetwork;

/** The plan of a run; everything that must give its numbers uses the same cuts, for no batch crosses a shard. */
export function planRun(
  count: number,
  {
    isPixels,
    lengths,
    views = 1,
  }: {
    readonly isPixels: boolean;
    readonly lengths: readonly number[];
    readonly views?: number | undefined;
  },
): ShardPlan {
  const ofNetwork = count * views < MANY_ROWS ? 'network' : 'largeNetwork';
  return planShards({
    count,
    views,
    rowBytes: 4 * lengths.reduce((sum, length) => sum + length, 0),
    maxShardRows: SHARD_ROWS[isPixels ? 'pixels' : ofNetwork],
  });
}

/** Cuts `count` images into shards and parts. The same arguments give the same plan. */
export function planShards({ count, rowBytes, maxShardRows, views = 1 }: PlanOptions): ShardPlan {
  const imagesOf = (rows: number, bytes: number) =>
    Math.floor(Math.min(rows, Math.floor(bytes / rowBytes)) / views);
  const shardImages = roundDown(imagesOf(maxShardRows, SHARD_BYTES));
  const shardsPerPart = Math.max(1, Math.floor(imagesOf(PART_ROWS, PART_BYTES) / shardImages));
  const shards: Shard[] = [];
  for (let start = 0; start < count; start += shardImages) {
    shards.push({ id: shards.length, start, end: Math.min(count, start + shardImages) });
  }
  const parts: Part[] = [];
  for (let first = 0; first < shards.length || parts.length === 0; first += shardsPerPart) {
    const endShard = Math.min(shards.length, first + shardsPerPart);
    parts.push({ index: parts.length, firstShard: first, endShard });
  }
  return { count, rowBytes, views, shards, parts };
}

/** What one job computes of a plan: neighbouring shards, which keep their ids and with them their batches; none where there are fewer shards than jobs. */
export function planOfJob(plan: ShardPlan, { index, of }: JobShard): ShardPlan {
  const count = plan.shards.length;
  const first = Math.ceil(((index - 1) * count) / of);
  return { ...plan, shards: plan.shards.slice(first, Math.ceil((index * count) / of)) };
}

/** Images in the shards of a plan. */
export function imagesIn({ shards }: ShardPlan): number {
  return shards.length === 0 ? 0 : shards[shards.length - 1].end - shards[0].start;
}

function roundDown(images: number): number {
  return images < ROW_STEP ? Math.max(1, images) : images - (images % ROW_STEP);
}
