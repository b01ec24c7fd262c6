import { setImmediate } from 'node:timers/promises';
import type { SymmetricOperator } from './eigen/top-eigenpairs.ts';
import type { Moments } from './moments.ts';

/**
 * The covariance of scaled rows as an operator on the scatter matrix of the raw ones:
 *   C q = D S D q / (n - 1), with D = diag(scale).
 * Standardised data (scale = 1 / deviation) need no second look at the rows.
 */
export function scatterOperator(moments: Moments, scale: Float64Array): SymmetricOperator {
  const { dims } = moments;
  return {
    dims,
    async apply(block, b) {
      // The event loop gets its turn: a signal, a progress bar.
      await setImmediate();
      const scaled = block.map((value, at) => value * scale[at % dims]!);
      const image = moments.applyScatter(scaled, b);
      const share = 1 / (moments.count - 1);
      return image.map((value, at) => value * share * scale[at % dims]!);
    },
  };
}
