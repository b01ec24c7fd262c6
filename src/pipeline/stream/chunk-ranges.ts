/** A few neighbouring manifest positions that one worker decodes together; never crosses a shard. */
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

/**
 * Cuts shards into chunks of at most `chunkSize` images and, where bodies are held in memory, of at most
 * `bytes.most` (but one image at least). Images that are not wanted are in no chunk. A shard without
 * images gives one empty chunk.
 */
export function chunkRanges(
  shards: readonly ShardRange[],
  chunkSize: number,
  bytes?: { readonly most: number; readonly sizeOf: (index: number) => number },
  isWanted: (index: number) => boolean = () => true,
): ChunkRange[] {
  return shards.flatMap((shard) => {
    const chunks: ChunkRange[] = [];
    let start = nextWanted(shard.start);
    do {
      let end = start;
      while (end < Math.min(start + chunkSize, shard.end) && isWanted(end)) end++;
      if (bytes !== undefined) {
        let sum = 0;
        for (let i = start; i < end; i++) {
          sum += bytes.sizeOf(i);
          if (sum > bytes.most) end = Math.max(i, start + 1);
        }
      }
      const next = nextWanted(end);
      chunks.push({ shard: shard.id, start, end, isLastOfShard: next === shard.end });
      start = next;
    } while (start < shard.end);
    return chunks;

    function nextWanted(from: number): number {
      let index = from;
      while (index < shard.end && !isWanted(index)) index++;
      return index;
    }
  });
}
