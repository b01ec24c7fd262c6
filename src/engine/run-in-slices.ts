import type { EngineOutput } from './engine.ts';
import type { NetworkResult } from './network.ts';

/**
 * Runs a batch slice by slice and puts the slices' features together.
 * @param pixels uint8 RGB [n, height, width, 3]
 * @param sliceImages most images in one slice: what bounds the memory of a large batch
 * @param run float32 [images, length] for each output, of one slice
 */
export function runInSlices(
  pixels: Uint8Array,
  n: number,
  sliceImages: number,
  outputs: readonly EngineOutput[],
  run: (slice: Uint8Array, images: number) => NetworkResult,
): NetworkResult {
  const imageBytes = pixels.length / n;
  const features = outputs.map(({ length }) => new Float32Array(n * length));
  let busyMs = 0;
  for (let first = 0; first < n; first += sliceImages) {
    const last = Math.min(first + sliceImages, n);
    const result = run(pixels.subarray(first * imageBytes, last * imageBytes), last - first);
    busyMs += result.busyMs;
    for (const [i, { length }] of outputs.entries()) {
      features[i].set(result.outputs[i], first * length);
    }
  }
  return { outputs: features, busyMs };
}

/** Computes features, with the time that it takes. */
export function timed(compute: () => readonly Float32Array[]): NetworkResult {
  const started = performance.now();
  return { outputs: compute(), busyMs: performance.now() - started };
}
