import type { EngineOutput } from './engine.ts';
import type { NetworkResult } from './network.ts';

export interface SliceRun<Input> {
  /** uint8 RGB [n, height, width, 3]. */
  readonly pixels: Uint8Array;
  readonly n: number;
  /** Most images in one slice: what bounds the memory of a large batch. */
  readonly sliceImages: number;
  readonly outputs: readonly EngineOutput[];
  /** Makes the network's input of a slice; not counted as the network's time. */
  readonly prepare: (pixels: Uint8Array, n: number) => Input;
  /** @returns float32 [n, length] for each output. */
  readonly compute: (input: Input, n: number) => readonly Float32Array[];
}

/** Runs a batch slice by slice and puts the slices' features together. */
export function runInSlices<Input>(run: SliceRun<Input>): NetworkResult {
  const { pixels, n, sliceImages, outputs, prepare, compute } = run;
  const imageBytes = pixels.length / n;
  const features = outputs.map(({ length }) => new Float32Array(n * length));
  let busyMs = 0;
  for (let first = 0; first < n; first += sliceImages) {
    const last = Math.min(first + sliceImages, n);
    const input = prepare(pixels.subarray(first * imageBytes, last * imageBytes), last - first);
    const started = performance.now();
    const values = compute(input, last - first);
    busyMs += performance.now() - started;
    for (const [i, { length }] of outputs.entries()) features[i].set(values[i], first * length);
  }
  return { outputs: features, busyMs };
}
