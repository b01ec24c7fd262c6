import type { WeightSpec } from './model-folder.ts';

/** How many values a shape has. */
export function shapeSize(shape: readonly number[]): number {
  return shape.reduce((size, side) => size * side, 1);
}

/** How many values all weights of a model hold together. */
export function countValues(weights: readonly Pick<WeightSpec, 'shape'>[]): number {
  return weights.reduce((sum, { shape }) => sum + shapeSize(shape), 0);
}
