import type { DecodedChunk } from '../image/decoded-chunk.ts';
import { mapOrdered } from '../map-ordered.ts';
import type { Extractor } from './extractor.ts';
import { type ImageBatch, packBatches } from './pack-batches.ts';

/** A batch of images and its features. */
export interface FeatureBatch {
  readonly batch: ImageBatch;
  /** float32 [batch.indices.length, length] for each output of the extractor. */
  readonly outputs: readonly Float32Array[];
}

/**
 * Decoded chunks through the network, in their order; `inFlight` + 1 batches are in memory.
 * @param ranges one for each chunk, in the same order
 */
export function runBatches(
  decoded: AsyncIterable<DecodedChunk>,
  ranges: Parameters<typeof packBatches>[1],
  extractor: Extractor,
): AsyncGenerator<FeatureBatch> {
  const [height, width] = extractor.inputSize;
  const batches = packBatches(decoded, ranges, extractor.batchSize, height * width * 3);
  return mapOrdered(batches, extractor.inFlight, async (batch) => ({
    batch,
    outputs:
      batch.indices.length === 0
        ? extractor.outputs.map(() => new Float32Array(0))
        : await extractor.run(batch.pixels, batch.indices.length),
  }));
}
