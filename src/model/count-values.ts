import type { WeightSpec } from './model-folder.ts';

/** How many values all weights of a model hold together. */
export function countValues(weights: readonly Pick<WeightSpec, 'shape'>[]): number {
  return weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
