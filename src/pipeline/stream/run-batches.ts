import type { EngineOutput } from '../../engine/engine.ts';
import { EngineError, RunError } from '../../errors.ts';
import { FLOAT16_MAX, firstBeyondFloat16, roundToFloat16 } from '../../export/float16.ts';
import { firstNotFinite } from '../../first-not-finite.ts';
import type { DecodedChunk, ImageRejection } from '../../image/decoded-chunk.ts';
import { mapOrdered } from '../../map-ordered.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';
import type { Extractor } from '../extractor/extractor.ts';
import type { ChunkRange } from './decode-entries.ts';

/** A batch of images and its features. */
export interface FeatureBatch {
  readonly batch: ImageBatch;
  /** float32 [batch.indices.length, length] for each output of the extractor; valid until the next batch is asked for. */
  readonly outputs: readonly Float32Array[];
}

/**
 * Decoded chunks through the network, in their order; `inFlight` + 1 batches are in memory.
 * @param ranges one for each chunk, in the same order
 * @param form of the vectors
 * @param originOf the image at a position
 * @param recycle gets each chunk whose pixels are taken over
 * @throws what the extractor throws; EngineError for a feature that is not finite; RunError for one beyond its type
 */
export async function* runBatches(
  decoded: AsyncIterable<DecodedChunk>,
  ranges: Parameters<typeof packBatches>[1],
  extractor: Extractor,
  form: VectorForm,
  originOf: (index: number) => string,
  recycle?: (chunk: DecodedChunk) => void,
): AsyncGenerator<FeatureBatch> {
  const [height, width] = extractor.inputSize;
  const imageBytes = height * width * 3;
  const { batchSize } = extractor;
  const allocate = () =>
    extractor.batchBuffer?.(batchSize) ?? new Uint8Array(batchSize * imageBytes);
  const batches = packBatches(decoded, ranges, { batchSize, imageBytes, allocate, recycle });
  const results = mapOrdered(batches, extractor.inFlight, async (batch) => {
    const { indices, pixels } = batch;
    if (indices.length === 0) {
      return { batch, outputs: extractor.outputs.map(() => new Float32Array(0)) };
    }
    const outputs = await extractor.run(pixels, indices.length);
    finishVectors(outputs, extractor.outputs, form, (row) => originOf(indices[row]));
    return { batch, outputs };
  });
  for await (const result of results) {
    yield result;
    extractor.release?.(result.batch.pixels);
  }
}

/** What is done to the vectors before they are stored, reduced and compared. */
export type VectorForm = Pick<ExtractOptions, 'normalize' | 'vectorType'>;

/**
 * Checks what a network made of a batch, whichever engine ran it: NaN and infinity are no features, and a row without
 * them is never guessed. Then gives the vectors their form, in place: with float16 what is fitted and stored are the very
 * numbers of the table, so that they can be reused from it.
 * @param values float32 [n, length] for each output
 * @param nameOf the image of a row, for the message
 * @throws EngineError naming the layer and the image; RunError for a number that float16 would make infinite
 */
export function finishVectors(
  values: readonly Float32Array[],
  outputs: readonly EngineOutput[],
  { normalize, vectorType }: VectorForm,
  nameOf: (row: number) => string,
): void {
  for (const [i, { layer, length }] of outputs.entries()) {
    const found = (at: number) =>
      `of layer ${layer} for ${nameOf(Math.floor(at / length))} but found ${values[i][at]}.`;
    const at = firstNotFinite(values[i]);
    if (at !== -1) {
      throw new EngineError(`Expected finite features ${found(at)}`, {
        fix: 'Use --precision fp32. Where that is so already, the weights are too large: take another model.',
      });
    }
    if (normalize === 'l2') scaleToLength1(values[i], length);
    if (vectorType !== 'float16') continue;
    const tooLarge = firstBeyondFloat16(values[i]);
    if (tooLarge !== -1) {
      throw new RunError(
        `Expected features within ±${FLOAT16_MAX} for --vector-type float16 ${found(tooLarge)}`,
        { fix: 'Take --vector-type float32, or --normalize l2.' },
      );
    }
    roundToFloat16(values[i]);
  }
}

/** Each row divided by its L2 norm, which is summed in float64; a row of zeros stays as it is. */
function scaleToLength1(values: Float32Array, length: number): void {
  for (let start = 0; start < values.length; start += length) {
    const end = start + length;
    let squares = 0;
    for (let i = start; i < end; i++) squares += values[i] * values[i];
    const norm = Math.sqrt(squares) || 1;
    for (let i = start; i < end; i++) values[i] /= norm;
  }
}

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

const NO_PIXELS: Uint8Array = new Uint8Array(0);

interface PackOptions {
  readonly batchSize: number;
  /** height × width × 3 */
  readonly imageBytes: number;
  /** Memory for a whole batch. */
  readonly allocate: () => Uint8Array;
  readonly recycle?: ((chunk: DecodedChunk) => void) | undefined;
}

/**
 * Packs decoded chunks into batches of exactly `batchSize` rows; only the last batch of a shard may be
 * smaller. What is in a batch depends on the manifest and on which images are bad, never on timing:
 * the last bits of a network's output can depend on the batch's shape.
 * @param ranges one for each chunk, in the same order
 */
export async function* packBatches(
  decoded: AsyncIterable<DecodedChunk>,
  ranges: Iterable<Pick<ChunkRange, 'shard' | 'isLastOfShard'>>,
  { batchSize, imageBytes, allocate, recycle }: PackOptions,
): AsyncGenerator<ImageBatch> {
  let indices: number[] = [];
  let rejections: ImageRejection[] = [];
  let pixels = NO_PIXELS;
  const rangeOfNext = ranges[Symbol.iterator]();

  for await (const chunk of decoded) {
    const { value: range } = rangeOfNext.next() as IteratorYieldResult<ChunkRange>;
    rejections.push(...chunk.rejections);
    let row = 0;
    do {
      const taken = Math.min(chunk.indices.length - row, batchSize - indices.length);
      if (taken > 0) {
        if (indices.length === 0) pixels = allocate();
        const bytes = chunk.pixels.subarray(row * imageBytes, (row + taken) * imageBytes);
        pixels.set(bytes, indices.length * imageBytes);
      }
      for (let i = 0; i < taken; i++) indices.push(chunk.indices[row + i]);
      row += taken;
      if (row === chunk.indices.length) recycle?.(chunk);
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
        // An empty batch must not name, and give back, the memory of the one before it.
        pixels = NO_PIXELS;
      }
    } while (row < chunk.indices.length);
  }
}
