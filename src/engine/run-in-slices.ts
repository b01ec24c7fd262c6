/**
 * Runs a batch slice by slice.
 * @param pixels uint8 RGB [n, height, width, 3]
 * @param features get float32 [n, length] for each output
 * @param sliceImages most images in one slice: what bounds the memory of a large batch
 * @param run one slice; its milliseconds
 * @returns the milliseconds of all
 */
export function runInSlices(
  pixels: Uint8Array,
  n: number,
  features: readonly Float32Array[],
  sliceImages: number,
  run: (slice: Uint8Array, images: number, features: readonly Float32Array[]) => number,
): number {
  let busyMs = 0;
  for (let first = 0; first < n; first += sliceImages) {
    const last = Math.min(first + sliceImages, n);
    const [slice, ...parts] = [pixels, ...features].map((values) =>
      values.subarray((first * values.length) / n, (last * values.length) / n),
    );
    busyMs += run(slice as Uint8Array, last - first, parts as Float32Array[]);
  }
  return busyMs;
}

/** Computes features, and puts them where they go. @returns milliseconds that computing takes */
export function timed(
  features: readonly Float32Array[],
  compute: () => readonly Float32Array[],
): number {
  const started = performance.now();
  const found = compute();
  const busyMs = performance.now() - started;
  for (const [i, values] of found.entries()) features[i].set(values);
  return busyMs;
}
