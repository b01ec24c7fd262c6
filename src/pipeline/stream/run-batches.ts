import type { DecodedChunk } from '../../image/decoded-chunk.ts';
import { mapOrdered } from '../../map-ordered.ts';
import type { Extractor } from '../extractor/extractor.ts';
import { expectFinite } from './expect-finite.ts';
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
 * @param originOf the image at a position
 * @throws what the extractor throws; EngineError for a feature that is not finite
 */
export function runBatches(
  decoded: AsyncIterable<DecodedChunk>,
  ranges: Parameters<typeof packBatches>[1],
  extractor: Extractor,
  originOf: (index: number) => string,
): AsyncGenerator<FeatureBatch> {
  const [height, width] = extractor.inputSize;
  const batches = packBatches(decoded, ranges, extractor.batchSize, height * width * 3);
  return mapOrdered(batches, extractor.inFlight, async (batch) => {
    const { indices, pixels } = batch;
    if (indices.length === 0) {
      return { batch, outputs: extractor.outputs.map(() => new Float32Array(0)) };
    }
    const outputs = await extractor.run(pixels, indices.length);
    expectFinite(outputs, extractor.outputs, (row) => originOf(indices[row]!));
    return { batch, outputs };
  });
}
