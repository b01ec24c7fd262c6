import type { DecodedChunk } from '../../image/decoded-chunk.ts';
import type { DecodePool } from '../../image/pool/decode-pool.ts';
import type { Source, SourceEntry } from '../../source/source.ts';
import { type ChunkRange, chunkRanges, decodeTasks, type ShardRange } from './chunk-ranges.ts';
import { FetchedChunks } from './fetch-tasks.ts';

/**
 * Images that a worker takes in one go: enough to hide a message's cost, few enough to spread evenly. Small
 * ones are decoded fast, and more of them go together.
 */
const CHUNK_IMAGES = 16;
const MOST_CHUNK_IMAGES = 64;
/** Rows of a chunk where there are more than CHUNK_IMAGES. */
const CHUNK_ROW_BYTES = 256 << 10;
/** The same for bodies that were fetched: they wait in memory for their worker. */
const CHUNK_BYTES = 8 << 20;

export interface DecodeEntriesOptions {
  readonly source: Source;
  readonly entries: { entry(index: number): SourceEntry };
  readonly shards: readonly ShardRange[];
  readonly pool: DecodePool;
  /** Objects larger than any image of so many pixels are rejected unread. */
  readonly maxPixels: number;
  /** Images of the shards that are passed over where it says false; undefined = none. */
  readonly isWanted?: ((index: number) => boolean) | undefined;
  readonly signal: AbortSignal;
}

/**
 * Decodes the images of the shards, in their order: one chunk for each of the ranges.
 *
 * In memory at once: the chunks on their way through the pool (2 × workers + 1), and what is fetched
 * ahead from a store (LOOK_AHEAD, and CHUNK_BYTES in each chunk).
 */
export function decodeEntries(options: DecodeEntriesOptions): {
  readonly ranges: readonly ChunkRange[];
  readonly chunks: AsyncIterable<DecodedChunk>;
} {
  const { source, entries, shards, pool, maxPixels, isWanted, signal } = options;
  const bodies = { most: CHUNK_BYTES, sizeOf: (index: number) => entries.entry(index).size };
  const small = Math.min(MOST_CHUNK_IMAGES, Math.floor(CHUNK_ROW_BYTES / pool.imageBytes));
  const images = Math.max(CHUNK_IMAGES, small);
  const ranges = chunkRanges(shards, images, source.isLocal ? undefined : bodies, isWanted);
  // Workers open local files themselves; others are fetched ahead of them.
  if (source.isLocal) return { ranges, chunks: pool.decode(decodeTasks(ranges, entries), signal) };
  const fetched = new FetchedChunks({ source, entries, maxPixels });
  return { ranges, chunks: fetched.complete(pool.decode(fetched.tasks(ranges, signal), signal)) };
}
