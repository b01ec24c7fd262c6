import type { ExtractOptions } from '../../options/extract-options.ts';
import type { Extractor, ExtractorHooks, ExtractorPlan } from './extractor.ts';

/** The notebook's own size: 10×10 RGB = 300 integers, row by row, channels last. */
const SIDE = 10;

/** Checks what the mode needs, in milliseconds; what a network needs is loaded only for one. */
export async function planExtractor(
  options: ExtractOptions,
  hooks: Pick<ExtractorHooks, 'onEvent'>,
): Promise<ExtractorPlan> {
  if (options.mode === 'pixels') {
    const pixels = openPixelsExtractor();
    const outputs = async () => pixels.outputs;
    return { model: undefined, choice: undefined, outputs, open: async () => pixels };
  }
  const { planNetworkExtractor } = await import('./network-extractor.ts');
  return planNetworkExtractor(options, hooks);
}

/** The extractor of the mode, ready for batches. */
export async function openExtractor(
  options: ExtractOptions,
  hooks: ExtractorHooks,
): Promise<Extractor> {
  return (await planExtractor(options, hooks)).open(hooks);
}

/** `--mode pixels`: the vector is the resized image. */
export function openPixelsExtractor(): Extractor {
  return {
    inputSize: [SIDE, SIDE],
    outputs: [{ layer: 'pixels', pool: 'none', length: SIDE * SIDE * 3 }],
    batchSize: 256,
    inFlight: 1,
    engine: undefined,
    model: undefined,
    run: async (pixels) => [Float32Array.from(pixels)],
    close: async () => {},
  };
}
