import type { Extractor } from './extractor.ts';

/** The notebook's own size: 10×10 RGB = 300 integers, row by row, channels last. */
const SIDE = 10;

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
