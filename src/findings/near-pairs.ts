/** Two rows, a < b, and a lower bound of their distance. */
export interface NearPair {
  readonly a: number;
  readonly b: number;
  readonly bound: number;
}

export interface NearPairs {
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
  readonly maxPairs?: number;
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
  const { radius, rows, points, k, rest, wants, maxPairs = MAX_PAIRS } = options;
  const { maxChecks = MAX_CHECKS } = options;
  // A little more than requested: the bound carries the rounding of float64.
  const most = (radius * (1 + 1e-9) + 1e-12) ** 2;
  const pairs: NearPair[] = [];
  const grid = buildGrid(rows, points, k, radius || 1e-12);
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
  for (const { cell, neighbours } of grid.sweep()) {
    if (checks > maxChecks || pairs.length > maxPairs) {
      isComplete = false;
      break;
    }
    for (let i = 0; i < cell.length; i++) {
      const a = cell[i];
      for (let j = i + 1; j < cell.length; j++) compare(a, cell[j]);
      checks += cell.length - i;
      for (const other of neighbours) {
        for (let j = 0; j < other.length; j++) compare(a, other[j]);
        checks += other.length;
      }
      if (checks > maxChecks || pairs.length > maxPairs) {
        isComplete = false;
        break;
      }
    }
  }
  pairs.sort((x, y) => x.bound - y.bound || x.a - y.a || x.b - y.b);
  return { pairs, isComplete };
}

interface Grid {
  /** Each cell once, with half of its neighbours: every two neighbouring cells meet once. */
  sweep(): Generator<{ cell: number[]; neighbours: number[][] }>;
}

/** Cells along one component at most; cells larger than `side` give the same result, only slower. */
const MOST_CELLS = 2 ** 16;

function buildGrid(rows: Uint32Array, points: Float64Array, k: number, side: number): Grid {
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
  return {
    *sweep() {
      for (const [key, cell] of cells) {
        const neighbours: number[][] = [];
        for (const step of steps) {
          const other = cells.get(key + step);
          if (other !== undefined) neighbours.push(other);
        }
        yield { cell, neighbours };
      }
    },
  };
}

/** Of each neighbour and its opposite one: those whose first coordinate that is not 0 is 1. */
function forwardOffsets(dims: number): number[][] {
  let all: number[][] = [[]];
  for (let c = 0; c < dims; c++) all = all.flatMap((start) => [-1, 0, 1].map((x) => [...start, x]));
  return all.filter((offset) => (offset.find((x) => x !== 0) ?? 0) > 0);
}
