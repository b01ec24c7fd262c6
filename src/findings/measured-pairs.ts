import type { Collected } from './collect-rows.ts';
import { distanceOf, type FeatureSpace } from './feature-space.ts';
import { nearPairs } from './near-pairs.ts';
import type { RunRows } from './run-rows.ts';

/** Two rows, a < b, closer than the threshold. */
export interface MeasuredPair {
  readonly a: number;
  readonly b: number;
  /** As a share of the typical distance. */
  readonly distance: number;
}

export interface MeasuredPairs {
  /** By distance, then by row. */
  readonly pairs: MeasuredPair[];
  readonly isComplete: boolean;
  /** What was measured: whole vectors, or components where the table holds no vectors. */
  readonly measuredIn: 'features' | 'components';
}

/** Vectors held at once while pairs are measured. */
const VECTOR_BYTES = 256 << 20;

/** Finds pairs by their components, then measures them by their full vectors. */
export async function findMeasuredPairs(
  source: RunRows,
  rows: Collected,
  space: FeatureSpace,
  options: {
    /** Share of the typical distance. */
    readonly near: number;
    /** Rows to compare, ascending. */
    readonly of: Uint32Array;
    readonly wants?: (a: number, b: number) => boolean;
  },
): Promise<MeasuredPairs> {
  const { near, of, wants } = options;
  const found = nearPairs({
    radius: near * space.typical,
    rows: of,
    points: rows.reduced,
    k: rows.k,
    rest: rows.rest,
    wants,
  });
  if (rows.rest === undefined) {
    const pairs = found.pairs.map(({ a, b, bound }) => ({ a, b, distance: bound / space.typical }));
    return { pairs, isComplete: found.isComplete, measuredIn: 'components' };
  }
  const { wanted, taken } = rowsToRead(found.pairs, Math.max(2, VECTOR_BYTES / (4 * space.dims)));
  const vectors = await gatherVectors(source, wanted);
  const pairs = found.pairs
    .slice(0, taken)
    .map(({ a, b }) => ({ a, b, distance: distanceOf(space, vectors.get(a)!, vectors.get(b)!) }))
    .filter(({ distance }) => distance <= near)
    .sort((x, y) => x.distance - y.distance || x.a - y.a || x.b - y.b);
  const isComplete = found.isComplete && taken === found.pairs.length;
  return { pairs, isComplete, measuredIn: 'features' };
}

/** The closest pairs by their bound, as many as the vectors of `most` rows settle. */
function rowsToRead(pairs: readonly { a: number; b: number }[], most: number) {
  const rows = new Set<number>();
  let taken = 0;
  for (const { a, b } of pairs) {
    if (rows.size + 2 > most) break;
    rows.add(a).add(b);
    taken++;
  }
  return { wanted: [...rows].sort((a, b) => a - b), taken };
}

/** The vectors of a few rows, in a second pass over all. @param wanted ascending */
async function gatherVectors(
  rows: RunRows,
  wanted: readonly number[],
): Promise<Map<number, Float32Array>> {
  const found = new Map<number, Float32Array>();
  let next = 0;
  let at = 0;
  for await (const { n, vectors } of rows.batches()) {
    for (; next < wanted.length && wanted[next] < at + n; next++) {
      const from = (wanted[next] - at) * rows.dims;
      found.set(wanted[next], vectors.slice(from, from + rows.dims));
    }
    at += n;
    if (next === wanted.length) break;
  }
  return found;
}
