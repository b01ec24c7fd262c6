import type { EngineOutput } from '../../engine/engine.ts';
import { EngineError } from '../../errors.ts';
import { firstNotFinite } from '../../first-not-finite.ts';
import type { DecodedChunk } from '../../image/decoded-chunk.ts';
import { mapOrdered } from '../../map-ordered.ts';
import type { Extractor } from '../extractor/extractor.ts';
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
    expectFinite(outputs, extractor.outputs, (row) => originOf(indices[row]));
    return { batch, outputs };
  });
}

/**
 * Checks what a network made of a batch, whichever engine ran it: NaN and infinity are no features, and a row without
 * them is never guessed.
 * @param values float32 [n, length] for each output
 * @param nameOf the image of a row, for the message
 * @throws EngineError naming the layer and the image
 */
export function expectFinite(
  values: readonly Float32Array[],
  outputs: readonly EngineOutput[],
  nameOf: (row: number) => string,
): void {
  for (const [i, { layer, length }] of outputs.entries()) {
    const at = firstNotFinite(values[i]);
    if (at === -1) continue;
    throw new EngineError(
      `Expected finite features of layer ${layer} for ${nameOf(Math.floor(at / length))} but found ${values[i][at]}.`,
      {
        fix: 'Use --precision fp32. Where that is so already, the weights are too large: take another model.',
      },
    );
  }
}
