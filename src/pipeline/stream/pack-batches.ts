import type { DecodedChunk, ImageRejection } from '../../image/decoded-chunk.ts';
import type { ChunkRange } from './chunk-ranges.ts';

/** Images of one shard, ready for the network. */
export interface ImageBatch {
  readonly shard: number;
  /** Manifest positions of the rows, ascending. */
  readonly indices: number[];
  /** uint8 [indices.length, height, width, 3]. */
  readonly pixels: Uint8Array;
  /** Images between these that have no row. */
  readonly rejections: ImageRejection[];
  /** True for the batch that completes its shard; that batch may be empty. */
  readonly isLastOfShard: boolean;
}

/**
 * Packs decoded chunks into batches of exactly `batchSize` rows; only the last batch of a shard may be
 * smaller. What is in a batch depends on the manifest and on which images are bad, never on timing:
 * the last bits of a network's output can depend on the batch's shape.
 * @param ranges one for each chunk, in the same order
 * @param imageBytes height × width × 3
 */
export async function* packBatches(
  decoded: AsyncIterable<DecodedChunk>,
  ranges: Iterable<Pick<ChunkRange, 'shard' | 'isLastOfShard'>>,
  batchSize: number,
  imageBytes: number,
): AsyncGenerator<ImageBatch> {
  let indices: number[] = [];
  let rejections: ImageRejection[] = [];
  let pixels: Uint8Array = new Uint8Array(0);
  const rangeOfNext = ranges[Symbol.iterator]();

  for await (const chunk of decoded) {
    const { value: range } = rangeOfNext.next() as IteratorYieldResult<ChunkRange>;
    rejections.push(...chunk.rejections);
    let row = 0;
    do {
      const taken = Math.min(chunk.indices.length - row, batchSize - indices.length);
      const bytes = chunk.pixels.subarray(row * imageBytes, (row + taken) * imageBytes);
      // A chunk that is a whole batch is passed on as it is; else rows are gathered in one buffer.
      if (taken === batchSize && indices.length === 0) pixels = bytes;
      else {
        if (indices.length === 0) pixels = new Uint8Array(batchSize * imageBytes);
        pixels.set(bytes, indices.length * imageBytes);
      }
      for (let i = 0; i < taken; i++) indices.push(chunk.indices[row + i]);
      row += taken;
      const isLastOfShard = range.isLastOfShard && row === chunk.indices.length;
      if (indices.length === batchSize || isLastOfShard) {
        yield {
          shard: range.shard,
          pixels: pixels.subarray(0, indices.length * imageBytes),
          indices,
          rejections,
          isLastOfShard,
        };
        indices = [];
        rejections = [];
      }
    } while (row < chunk.indices.length);
  }
}
