import type { SymmetricOperator } from '../eigen/top-eigenpairs.ts';
import type { FeatureBlocks } from '../feature-blocks.ts';
import type { Scaling } from '../projector.ts';
import { isCheaperByMatrix } from './matrix-or-passes.ts';
import { isResident, PASS_LIMITS, RowPasses } from './row-passes.ts';

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
