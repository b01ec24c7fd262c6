import type { SymmetricOperator } from '../eigen/top-eigenpairs.ts';
import type { Scaling } from '../reducer.ts';
import { type FeatureBlocks, isResident, PASS_LIMITS, RowPasses } from './row-passes.ts';

/** Holds threads and the rows' memory until it is closed. */
export interface PassOperator extends SymmetricOperator {
  close(): Promise<void>;
}

/**
 * The covariance of scaled rows as an operator that goes over all rows once for each block of vectors:
 *   C Q = D X^T (X D Q) / (n - 1), X = the rows less their mean, D = diag(scale); products in float64.
 * Where many passes are predicted, one more sums X^T X, and products come from that matrix from then on.
 * Memory: the rows up to `residentBytes`, else a part of them; 150 dims b bytes; the matrix's 8 dims^2 bytes,
 * for up to MOST_MATRIX_DIMS, where it is made.
 * @throws RunError, from `apply`, when a pass brings another number of rows than `blocks.count`.
 */
export function passOperator(
  blocks: FeatureBlocks,
  { shift, scale }: Scaling,
  limits = PASS_LIMITS,
): PassOperator {
  const { dims, count } = blocks;
  const size = { rows: count, dims, isResident: isResident(blocks, limits) };
  let passes: RowPasses | undefined;
  let width = 0;
  let made = 0;
  let hasMatrix = false;
  return {
    dims,
    get isCostly() {
      return !hasMatrix;
    },
    async apply(block, b) {
      if (passes === undefined || b > width) {
        await passes?.close();
        hasMatrix = false;
        width = b;
        passes = new RowPasses(blocks, shift, width, limits);
      }
      made++;
      const image = await passes.apply(block.map((value, at) => value * scale[at % dims]));
      const share = 1 / (count - 1);
      return image.map((value, at) => value * share * scale[at % dims]);
    },
    async foresee(more) {
      if (hasMatrix || !passes?.canFormMatrix) return;
      if (!isCheaperByMatrix(size, width, made, more)) return;
      await passes.formMatrix();
      hasMatrix = true;
    },
    async close() {
      await passes?.close();
    },
  };
}

/** What products cost, all in multiply-adds of the kernel that sums the scatter matrix. */

/** For each value of a row beside its two multiply-adds a vector: it is converted, shifted, kept in the cache. */
const PASS_OVERHEAD = 8;
/** For each value that a pass has to read again. */
const READ_OVERHEAD = 40;
/** A product with the matrix waits for memory. */
const MATRIX_PRODUCT = 2;
/** Passes at least before the solver's prediction counts, ... */
const FEWEST_PASSES = 5;
/** ... and, as a share of what the matrix would cost. */
const TRIAL_SHARE = 1 / 8;

interface PassSize {
  readonly rows: number;
  readonly dims: number;
  /** Whether the rows stay in memory between passes. */
  readonly isResident: boolean;
}

/**
 * Whether to sum the scatter matrix (rows dims^2 / 2) in place of `more` passes with blocks of `width` vectors, after
 * `made` of them. From counts and the solver's residuals alone, so every run makes the same decision.
 */
export function isCheaperByMatrix(
  { rows, dims, isResident }: PassSize,
  width: number,
  made: number,
  more: number,
): boolean {
  const reading = isResident ? 0 : READ_OVERHEAD;
  const pass = rows * dims * (2 * width + PASS_OVERHEAD + reading);
  const matrix = rows * dims * (dims / 2 + reading);
  const product = dims * dims * width * MATRIX_PRODUCT;
  if (made < Math.max(FEWEST_PASSES, (TRIAL_SHARE * matrix) / pass)) return false;
  return more * (pass - product) > matrix;
}
