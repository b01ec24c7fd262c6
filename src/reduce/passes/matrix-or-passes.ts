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

export interface PassSize {
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
