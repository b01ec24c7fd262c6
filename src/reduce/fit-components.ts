import {
  type SymmetricOperator,
  type TopEigenpairsOptions,
  topEigenpairs,
} from './eigen/top-eigenpairs.ts';

export interface FitComponentsOptions extends TopEigenpairsOptions {
  readonly k: number;
  /** Rows behind the covariance. */
  readonly count: number;
  /** Trace of the covariance. */
  readonly totalVariance: number;
}

/**
 * Principal components of a covariance: always k of them, those beyond its rank zero vectors of
 * variance 0. Signs are scikit-learn's (svd_flip, v-based): the entry of largest size is positive,
 * the first of them where several are equal.
 */
export async function fitComponents(operator: SymmetricOperator, options: FitComponentsOptions) {
  const { k, count, totalVariance } = options;
  const { dims } = operator;
  const components = new Float64Array(k * dims);
  const explainedVariance = new Float64Array(k);
  let residual = 0;
  // n rows span at most n - 1 directions around their mean.
  const most = Math.min(k, dims, count - 1);
  if (most > 0) {
    const pairs = await topEigenpairs(operator, most, options);
    // What rounding alone can leave of a zero eigenvalue, as numpy.linalg.matrix_rank puts it.
    const least = pairs.values[0] * Math.max(dims, count) * Number.EPSILON;
    const rank = pairs.values.filter((value) => value > least).length;
    explainedVariance.set(pairs.values.subarray(0, rank));
    components.set(pairs.vectors.subarray(0, rank * dims));
    for (let v = 0; v < rank; v++) fixSign(components.subarray(v * dims, (v + 1) * dims));
    residual = pairs.residual;
  }
  return {
    components,
    explainedVariance,
    explainedVarianceRatio: explainedVariance.map((value) => value && value / totalVariance),
    residual,
  };
}

function fixSign(vector: Float64Array): void {
  let largest = 0;
  for (const value of vector) if (Math.abs(value) > Math.abs(largest)) largest = value;
  if (largest < 0) for (let i = 0; i < vector.length; i++) vector[i] = -vector[i];
}
