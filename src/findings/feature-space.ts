import type { Reducer } from '../reduce/reducer.ts';

/**
 * The space that distances are measured in: features as the PCA sees them (standardised where the run did),
 * divided by the distance that two random images have there. So 1 is "as far as any two", in every mode.
 */
export interface FeatureSpace {
  readonly dims: number;
  /** Factors of the features; 0 for a constant one. */
  readonly scale: Float64Array;
  readonly shift: Float64Array;
  /** The root mean square distance of two random images, in scaled features. */
  readonly typical: number;
}

export function featureSpace(reducer: Reducer): FeatureSpace {
  const { dims, standardize, scalerMean, scalerStd, pcaMean, totalVariance } = reducer;
  return {
    dims,
    scale: standardize
      ? scalerStd.map((std) => (std === 0 ? 0 : 1 / std))
      : new Float64Array(dims).fill(1),
    shift: standardize ? scalerMean : pcaMean,
    typical: Math.sqrt(2 * totalVariance) || 1,
  };
}

/** Squared length of one scaled vector. */
export function squaredNorm(space: FeatureSpace, values: Float32Array, from: number): number {
  const { dims, scale, shift } = space;
  let sum = 0;
  for (let j = 0; j < dims; j++) {
    const x = (values[from + j] - shift[j]) * scale[j];
    sum += x * x;
  }
  return sum;
}

/** Distance of two vectors as a share of the typical one. */
export function distanceOf(space: FeatureSpace, a: Float32Array, b: Float32Array): number {
  const { dims, scale, typical } = space;
  let sum = 0;
  for (let j = 0; j < dims; j++) {
    const x = (a[j] - b[j]) * scale[j];
    sum += x * x;
  }
  return Math.sqrt(sum) / typical;
}
