import type { DecodeTask } from '../image/decoded-chunk.ts';
import type { SourceEntry } from '../source/source.ts';

/** A few neighbouring manifest positions that one worker decodes in one go; never crosses a shard. */
export interface ChunkRange {
  readonly shard: number;
  readonly start: number;
  /** One past the last position. */
  readonly end: number;
  readonly isLastOfShard: boolean;
}

export interface ShardRange {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/** Cuts shards into chunks of at most `chunkSize` images. A shard without images gives one empty chunk. */
export function chunkRanges(shards: readonly ShardRange[], chunkSize: number): ChunkRange[] {
  return shards.flatMap((shard) => {
    const chunks: ChunkRange[] = [];
    let start = shard.start;
    do {
      const end = Math.min(start + chunkSize, shard.end);
      chunks.push({ shard: shard.id, start, end, isLastOfShard: end === shard.end });
      start = end;
    } while (start < shard.end);
    return chunks;
  });
}

/** The decode tasks of each chunk; the workers open local files themselves. */
export function* decodeTasks(
  ranges: readonly ChunkRange[],
  entries: { entry(index: number): SourceEntry },
): Generator<DecodeTask[]> {
  for (const { start, end } of ranges) {
    yield Array.from({ length: end - start }, (_, i) => ({
      index: start + i,
      path: entries.entry(start + i).location,
    }));
  }
}
