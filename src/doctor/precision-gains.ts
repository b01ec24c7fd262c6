import type { EngineSpec, Precision } from '../engine/engine.ts';
import { openEngine } from '../engine/open-engine.ts';
import { decodeAndResize } from '../image/decode-and-resize.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import type { PrecisionGain } from '../pipeline/extractor/tuning.ts';
import type { DeviceChoice } from '../runtime/choose-device.ts';
import { goldenImage } from './golden/golden-files.ts';
import { measureRate } from './network-rate.ts';

interface Measured {
  readonly imagesPerSecond: number;
  /** Of the built-in images: float32 [n, length]. */
  readonly features: Float32Array;
  readonly length: number;
}

/**
 * What other precisions give of a network in place of fp32: its rate, and how far the features of the built-in images turn.
 * A precision that does not run here is left out.
 * @param longestMs for the batches of each precision
 */
export async function measureGains(
  folder: ModelFolder,
  choice: DeviceChoice,
  precisions: readonly Precision[],
  signal: AbortSignal,
  longestMs = 2000,
): Promise<PrecisionGain[]> {
  const images = await builtInImages(folder);
  const measure = async (precision: Precision): Promise<Measured> => {
    const spec: EngineSpec = { layers: [{ layer: undefined, pool: 'none' }], precision };
    const engine = await openEngine(spec, folder, choice, { signal });
    try {
      const [features] = await engine.run(images.pixels.slice(), images.count);
      const { imagesPerSecond } = await measureRate(engine, signal, longestMs);
      return { imagesPerSecond, features, length: engine.info.outputs[0].length };
    } finally {
      await engine.close();
    }
  };
  const exact = await measure('fp32');
  const gains: PrecisionGain[] = [];
  for (const precision of precisions) {
    try {
      const found = await measure(precision);
      const ratio = found.imagesPerSecond / exact.imagesPerSecond;
      gains.push({ precision, ratio, cosine: leastCosine(found.features, exact) });
    } catch {
      signal.throwIfAborted(); // else this GPU, or this network, has no such precision
    }
  }
  return gains;
}

async function builtInImages({ metadata }: ModelFolder) {
  const [height, width] = metadata.inputSize;
  const options = { width, height, resize: 'bicubic', exif: 'ignore', channels: 'rgb' } as const;
  const rows: Uint8Array[] = [];
  for (const format of ['png', 'jpeg'] as const) {
    const bytes = goldenImage(format);
    rows.push(await decodeAndResize(bytes, { ...options, maxPixels: 1e6, tiff: false }));
  }
  return { pixels: new Uint8Array(Buffer.concat(rows)), count: rows.length };
}

/** Of the rows' cosines to those in fp32. */
function leastCosine(found: Float32Array, { features, length }: Measured): number {
  let least = 1;
  for (let start = 0; start < features.length; start += length) {
    let [dot, a, b] = [0, 0, 0];
    for (let i = start; i < start + length; i++) {
      dot += found[i] * features[i];
      a += found[i] ** 2;
      b += features[i] ** 2;
    }
    least = Math.min(least, a * b === 0 ? (a === b ? 1 : 0) : dot / Math.sqrt(a * b));
  }
  return least;
}
