/** Largest error by the largest value. */
export function relativeError(values: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - values[i])), 0);
  return error / largest;
}

/** Smallest cosine between two rows. */
export function smallestCosine(values: Float32Array, expected: Float32Array, rows: number): number {
  const length = expected.length / rows;
  let smallest = 1;
  for (let start = 0; start < expected.length; start += length) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = start; i < start + length; i++) {
      ab += values[i] * expected[i];
      aa += values[i] ** 2;
      bb += expected[i] ** 2;
    }
    smallest = Math.min(smallest, ab / Math.sqrt(aa * bb));
  }
  return smallest;
}

/** Images without structure, but the same each time: uint8 [n, side, side, 3]. */
export function somePixels(n: number, side: number): Uint8Array {
  return Uint8Array.from({ length: n * side * side * 3 }, (_, i) => (i * i + (i >> 9)) % 256);
}
