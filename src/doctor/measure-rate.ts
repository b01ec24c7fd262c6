import type { Engine } from '../engine/engine.ts';
import { noise } from '../engine/noise.ts';

export interface MeasuredRate {
  /** Of the network alone, warm-up left out. */
  readonly imagesPerSecond: number;
  readonly images: number;
  readonly batch: number;
}

const BATCHES = { cuda: 64, cpu: 8, wasm: 4 } as const;
const LONGEST_MS = 3000;
const MOST_BATCHES = 20;

/** Runs batches of noise for about three seconds, at least one after the warm-up. */
export async function measureRate(
  engine: Engine,
  signal: AbortSignal,
  { longestMs = LONGEST_MS }: { readonly longestMs?: number } = {},
): Promise<MeasuredRate> {
  const { device, inputSize } = engine.info;
  const batch = BATCHES[device];
  const pixels = noise(batch * inputSize[0] * inputSize[1] * 3);
  await engine.run(pixels.slice(), batch); // compiles kernels, chooses algorithms
  const before = engine.busyMs();
  const started = performance.now();
  let images = 0;
  for (let i = 0; i < MOST_BATCHES && (i === 0 || performance.now() - started < longestMs); i++) {
    signal.throwIfAborted();
    await engine.run(pixels.slice(), batch);
    images += batch;
  }
  return { imagesPerSecond: (1000 * images) / (engine.busyMs() - before), images, batch };
}
