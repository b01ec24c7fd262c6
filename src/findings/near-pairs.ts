import { type Collected, plainRows, type RunRows } from './collect-rows.ts';
import { distanceOf, type FeatureSpace } from './feature-space.ts';

/** Two rows, a < b, and a lower bound of their distance. */
interface NearPair {
  readonly a: number;
  readonly b: number;
  readonly bound: number;
}

interface NearPairs {
  /** By bound, then by row. */
  readonly pairs: NearPair[];
  /** False when a limit ended the search: then more pairs exist than were found. */
  readonly isComplete: boolean;
}

export interface NearPairOptions {
  /** Largest distance that counts. */
  readonly radius: number;
  /** Rows to look at, ascending. */
  readonly rows: Uint32Array;
  /** float64 [count, k], row-major. */
  readonly points: Float64Array;
  readonly k: number;
  /** Length of what the points leave out of each row, or undefined. */
  readonly rest: Float64Array | undefined;
  /** Only pairs for which this is true; all when undefined. */
  readonly wants?: (a: number, b: number) => boolean;
  readonly maxChecks?: number;
}

/** Leading components that the grid covers. */
const GRID_DIMS = 3;
/** Some 10 s of comparisons; a count, so that the same rows always give the same findings. */
const MAX_CHECKS = 3e8;
/** Each may become a finding of some 500 bytes. */
const MAX_PAIRS = 300_000;

/**
 * All pairs of rows whose distance can be within `radius`.
 *
 * Components are orthonormal, so a distance between reduced vectors never exceeds the one between full vectors;
 * with the lengths u, v of what the components leave out, d² >= d_reduced² + (u - v)². A pair beyond `radius` by
 * that bound is beyond it in full: none is missed, and those found are then measured in full. Rows are sorted into a grid with
 * cells of `radius` over the first components, so that only neighbouring cells are compared.
 */
export function nearPairs(options: NearPairOptions): NearPairs {
  const { radius, rows, points, k, rest, wants, maxChecks = MAX_CHECKS } = options;
  // A little more than requested: the bound carries the rounding of float64.
  const most = (radius * (1 + 1e-9) + 1e-12) ** 2;
  const pairs: NearPair[] = [];
  let checks = 0;
  let isComplete = true;
  const compare = (a: number, b: number): void => {
    let sum = 0;
    for (let c = 0, i = a * k, j = b * k; c < k; c++, i++, j++) {
      const x = points[i] - points[j];
      sum += x * x;
      if (sum > most) return;
    }
    if (rest !== undefined) {
      // `rest` is a difference of squares: what rounding may have added to it is not counted.
      const slack = 1e-6 * (rest[a] + rest[b]);
      const x = Math.max(0, Math.abs(rest[a] - rest[b]) - slack);
      sum += x * x;
      if (sum > most) return;
    }
    if (wants !== undefined && !wants(a, b)) return;
    pairs.push(a < b ? { a, b, bound: Math.sqrt(sum) } : { a: b, b: a, bound: Math.sqrt(sum) });
  };
  search: for (const { cell, neighbours } of neighbourCells(rows, points, k, radius || 1e-12)) {
    for (let i = 0; i < cell.length; i++) {
      const a = cell[i];
      for (let j = i + 1; j < cell.length; j++) compare(a, cell[j]);
      checks += cell.length - i;
      for (const other of neighbours) {
        for (let j = 0; j < other.length; j++) compare(a, other[j]);
        checks += other.length;
      }
      isComplete = checks <= maxChecks && pairs.length <= MAX_PAIRS;
      if (!isComplete) break search;
    }
  }
  pairs.sort((x, y) => x.bound - y.bound || x.a - y.a || x.b - y.b);
  return { pairs, isComplete };
}

/** Cells along one component at most; cells larger than `side` give the same result, only slower. */
const MOST_CELLS = 2 ** 16;

/** Each cell of a grid once, with half of its neighbours: every two neighbouring cells meet once. */
function* neighbourCells(rows: Uint32Array, points: Float64Array, k: number, side: number) {
  const dims = Math.min(GRID_DIMS, k);
  const axes = Array.from({ length: dims }, (_, c) => {
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const row of rows) {
      least = Math.min(least, points[row * k + c]);
      most = Math.max(most, points[row * k + c]);
    }
    return { least, side: Math.max(side, (most - least) / MOST_CELLS) };
  });
  // The place of a cell as one whole number; 1 is added, so that there is room for a neighbour below.
  const width = MOST_CELLS + 3;
  const cells = new Map<number, number[]>();
  for (const row of rows) {
    let key = 0;
    for (let c = 0; c < dims; c++) {
      const { least, side } = axes[c];
      key = key * width + Math.floor((points[row * k + c] - least) / side) + 1;
    }
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [row]);
    else cell.push(row);
  }
  const steps = forwardOffsets(dims).map((offset) => offset.reduce((key, x) => key * width + x, 0));
  for (const [key, cell] of cells) {
    yield { cell, neighbours: steps.flatMap((step) => [cells.get(key + step) ?? []]) };
  }
}

/** Of each neighbour and its opposite one: those whose first coordinate that is not 0 is 1. */
function forwardOffsets(dims: number): number[][] {
  let all: number[][] = [[]];
  for (let c = 0; c < dims; c++) all = all.flatMap((start) => [-1, 0, 1].map((x) => [...start, x]));
  return all.filter((offset) => (offset.find((x) => x !== 0) ?? 0) > 0);
}

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
  for await (const { n, vectors } of plainRows(rows).batches()) {
    for (; next < wanted.length && wanted[next] < at + n; next++) {
      const from = (wanted[next] - at) * rows.dims;
      found.set(wanted[next], vectors.slice(from, from + rows.dims));
    }
    at += n;
    if (next === wanted.length) break;
  }
  return found;
}
