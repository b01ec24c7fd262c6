import type { RunRows } from './run-rows.ts';

/** The vectors of a few rows, in a second pass over all. @param wanted ascending */
export async function gatherVectors(
  rows: RunRows,
  wanted: readonly number[],
): Promise<Map<number, Float32Array>> {
  const found = new Map<number, Float32Array>();
  let next = 0;
  let at = 0;
  for await (const { n, vectors } of rows.batches()) {
    for (; next < wanted.length && wanted[next]! < at + n; next++) {
      const from = (wanted[next]! - at) * rows.dims;
      found.set(wanted[next]!, vectors.slice(from, from + rows.dims));
    }
    at += n;
    if (next === wanted.length) break;
  }
  return found;
}
