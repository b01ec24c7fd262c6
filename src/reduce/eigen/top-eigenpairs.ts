import { Basis, norm } from './basis.ts';
import { type SmallPairs, SmallProblem } from './small-problem.ts';

/** A symmetric matrix without negative eigenvalues, known only by its products with vectors. */
export interface SymmetricOperator {
  readonly dims: number;
  /** @param block [b, dims], one vector a row. @returns their images, [b, dims], the caller's to change. */
  apply(block: Float64Array, b: number): Float64Array | Promise<Float64Array>;
  /** Whether a product costs more than solving the small problem: then each may be the last one. */
  readonly isCostly?: boolean;
  /** Called while products are costly: about how many more will be needed. Infinity: not known yet. */
  foresee?(more: number): Promise<void>;
}

export interface TopEigenpairsOptions {
  /** Vectors that may be held at once, at least three blocks, while products are costly: more mean fewer of them. */
  readonly capacity: number;
  /** Products with a block after which the best found so far is returned. */
  readonly maxApplies: number;
  /**
   * The same once products have become cheap.
   * @default maxApplies
   */
  readonly maxCheapApplies?: number;
  /**
   * Vectors in a block. Few make the fewest vectors in all, many the fewest products.
   * @default k + 2, to a multiple of 4
   */
  readonly width?: number;
  /**
   * A vector may be off by this angle, or by what rounding leaves where values are too close for it.
   * @default 1e-12
   */
  readonly angle?: number;
  /** Checked before each product. */
  readonly signal?: AbortSignal | undefined;
}

export interface Eigenpairs {
  /** float64 [k], falling. */
  readonly values: Float64Array;
  /** float64 [k, dims], orthonormal, signs as they came. */
  readonly vectors: Float64Array;
  /** Largest |A v - value v| of a pair, as a share of the largest value. */
  readonly residual: number;
  /** Products with a block that were made. */
  readonly applies: number;
}

/** Vectors in a block beyond k, at least: they help the last pairs to converge. */
const SPARE = 2;
/** A vector may be off by this angle, which is at most its residual / the distance of its value to the next ... */
const ANGLE = 1e-12;
/** ... or, where values are too close for that, its residual may be this share of the largest value. */
const PRECISION = 4e-15;
/** Values closer than this share of the largest may be one value of several vectors. */
const SAME = 1e-9;
/** Up to so many vectors the small problem costs nothing beside a product; beyond, it is solved less often. */
const SMALL = 80;
const GROWTH = 1.1;
/** Where products are cheap, so many vectors at most: more would cost more than the products that they save. */
const CHEAP_CAPACITY = 60;
/** The share of the vectors beyond k that a restart keeps. */
const KEPT_SHARE = 3 / 8;
/** Below this residual, so many checks in a row without progress mean that only rounding is left. */
const NEARLY = 1e-12;
const STALLED = 3;

/**
 * The k largest eigenvalues of a symmetric operator and their vectors, k <= dims.
 *
 * Block Lanczos with full orthogonalisation: the span of S, A S, A^2 S ... is kept as an orthonormal
 * basis V, and T = V^T A V, a small problem, gives the pairs. A full basis restarts from its best
 * vectors (thick restart: Wu and Simon, SIAM J. Matrix Anal. Appl. 22, 2000). Start vectors S find no more
 * copies of a multiple value than they are: where as many are found, or the span is exhausted, new ones
 * join. They are seeded: every run gives the same bits.
 */
export async function topEigenpairs(
  operator: SymmetricOperator,
  k: number,
  {
    capacity,
    maxApplies,
    maxCheapApplies = maxApplies,
    width: block,
    angle,
    signal,
  }: TopEigenpairsOptions,
): Promise<Eigenpairs> {
  const { dims } = operator;
  const wide = Math.min(dims, Math.ceil((k + SPARE) / 4) * 4);
  const width = Math.min(wide, block ?? wide);
  const room = Math.min(dims, Math.max(capacity, 3 * wide));
  const cheapRoom = Math.min(room, Math.max(CHEAP_CAPACITY, 3 * wide));
  const basis = new Basis(dims, room);
  const small = new SmallProblem(room);
  const remaining = convergence(k, angle ?? ANGLE);
  const random = seededValues();
  let beyond = random(dims * width); // [b, dims]: what the next vectors are made of
  let b = width;
  let started = width;
  let nextCheck = 0;
  let largest = 0;
  for (let applies = 0; ; ) {
    let added = basis.extend(beyond, b, PRECISION * largest);
    if (added === 0 && basis.size < wide) {
      // The span is closed, and smaller than what the caller needs.
      added = basis.extend(random(dims * width), width, PRECISION);
      started += width;
    }
    if (added > 0) {
      signal?.throwIfAborted();
      const first = basis.size - added;
      beyond = await operator.apply(basis.rows(first, basis.size), added);
      b = added;
      applies++;
      largest = Math.max(largest, longest(beyond, b));
      const products = basis.project(beyond, b);
      small.setRows(first, products, b, basis.size);
      basis.remove(beyond, products, b);
    }
    const most = operator.isCostly ? room : cheapRoom;
    const isFull = most < dims && basis.size + b > most;
    const mostApplies = operator.isCostly ? maxApplies : maxCheapApplies;
    const isLast = added === 0 || applies >= mostApplies;
    if (!isFull && !isLast && (!operator.isCostly || basis.size < nextCheck)) continue;
    nextCheck = basis.size < SMALL ? 0 : basis.size * GROWTH;
    const pairs = small.solve(basis.size);
    const found = Math.min(k, basis.size);
    // A basis that nothing can be added to holds whole eigenvectors.
    const residuals = added === 0 ? new Float64Array(found) : pairs.residuals(beyond, b, found);
    const more = remaining(pairs.values, residuals, applies);
    if (isLast || more === 0) {
      if (isLast || mostAlike(pairs.values, k) < started) {
        return finish(basis, pairs, residuals, k, applies);
      }
      beyond = random(dims * width);
      b = width;
      started += width;
    } else if (operator.isCostly) {
      await operator.foresee?.(more);
    }
    if (isFull) {
      const kept = k + Math.floor((most - k) * KEPT_SHARE);
      basis.replace(pairs.mixes(kept), kept);
      small.setDiagonal(pairs.values, kept);
    }
  }
}

/**
 * Estimates after each step how many more it will take for the first k pairs to be as good as they need to be, or can
 * get: 0 when they are; else what the mean rate so far predicts, Infinity before there is one.
 */
function convergence(
  k: number,
  angle: number,
): (values: Float64Array, residuals: Float64Array, applies: number) => number {
  let best = Number.POSITIVE_INFINITY;
  let stalled = 0;
  let first: { readonly worst: number; readonly applies: number } | undefined;
  return (values, residuals, applies) => {
    if (values.length <= k) return Number.POSITIVE_INFINITY;
    let worst = 0;
    residuals.forEach((residual, i) => {
      const gap = Math.min((values[i - 1] ?? Infinity) - values[i], values[i] - values[i + 1]);
      worst = Math.max(worst, residual / Math.max(angle * gap, PRECISION * values[0]));
    });
    if (worst <= 1) return 0;
    stalled = worst < best / 2 ? 0 : stalled + 1;
    best = Math.min(best, worst);
    if (stalled >= STALLED && Math.max(...residuals) <= NEARLY * values[0]) return 0;
    first ??= { worst, applies };
    const progress = Math.log(first.worst / best);
    return progress > 0 ? ((applies - first.applies) * Math.log(best)) / progress : Infinity;
  };
}

function finish(
  basis: Basis,
  pairs: SmallPairs,
  residuals: Float64Array,
  k: number,
  applies: number,
): Eigenpairs {
  const found = residuals.length;
  const values = new Float64Array(k);
  const vectors = new Float64Array(k * basis.dims);
  values.set(pairs.values.subarray(0, found).map((value) => Math.max(0, value)));
  vectors.set(basis.combine(pairs.mixes(found), found));
  const residual = values[0] > 0 ? Math.max(...residuals) / values[0] : 0;
  return { values, vectors, residual, applies };
}

/** How many of the first k values are one value, at most. */
function mostAlike(values: Float64Array, k: number): number {
  let most = 1;
  let alike = 1;
  for (let i = 1; i < Math.min(k, values.length); i++) {
    alike = values[i - 1] - values[i] <= SAME * values[0] ? alike + 1 : 1;
    most = Math.max(most, alike);
  }
  return most;
}

/** So many seeded values in [-1, 1) at each call: arithmetic only, so equal on every machine (mulberry32). */
function seededValues(): (size: number) => Float64Array {
  let state = 0;
  return (size) =>
    Float64Array.from({ length: size }, () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
    });
}

/** The length of the longest row of a block [b, dims]. */
function longest(block: Float64Array, b: number): number {
  const dims = block.length / b;
  let length = 0;
  for (let v = 0; v < b; v++) {
    length = Math.max(length, norm(block.subarray(v * dims, (v + 1) * dims)));
  }
  return length;
}
