import { firstNotFinite } from '../first-not-finite.ts';
import { notFinite } from './moments.ts';
import { Projector, type Scaling } from './projector.ts';

/** What a fit leaves; arrays are float64. */
export interface FittedReducer {
  /** Values in a feature vector. */
  readonly dims: number;
  /** Components. */
  readonly k: number;
  /** Rows it was fitted on. */
  readonly count: number;
  /** Whether vectors are standardised before the PCA. */
  readonly standardize: boolean;
  /** Whether what is projected has its mean subtracted first (scikit-learn) or not (Spark). */
  readonly center: boolean;
  /** [dims], what the scaler subtracts; zeros without one. */
  readonly scalerMean: Float64Array;
  /** [dims], what the scaler divides by, sample standard deviations (n - 1); ones without one. A value of 0 scales to 0. */
  readonly scalerStd: Float64Array;
  /** [dims], what is subtracted after the scaler; zeros where the scaler did it, or with `center: false`. */
  readonly pcaMean: Float64Array;
  /** [k, dims], orthonormal rows; the entry of largest size in each is positive. Zeros beyond the rank. */
  readonly components: Float64Array;
  /** [k], variance along each component (n - 1), falling; 0 beyond the rank. */
  readonly explainedVariance: Float64Array;
  /** [k], the same as a share of `totalVariance` (Spark's explainedVariance). */
  readonly explainedVarianceRatio: Float64Array;
  /** Sum of the variances of all scaled columns. */
  readonly totalVariance: number;
  /** Largest |C v - variance v| of a component, as a share of the largest variance: how exact they are. */
  readonly residual: number;
}

/** A fitted scaler and PCA: `((x - scalerMean) / scalerStd - pcaMean) components^T`. */
export class Reducer implements FittedReducer {
  readonly dims!: number;
  readonly k!: number;
  readonly count!: number;
  readonly standardize!: boolean;
  readonly center!: boolean;
  readonly scalerMean!: Float64Array;
  readonly scalerStd!: Float64Array;
  readonly pcaMean!: Float64Array;
  readonly components!: Float64Array;
  readonly explainedVariance!: Float64Array;
  readonly explainedVarianceRatio!: Float64Array;
  readonly totalVariance!: number;
  readonly residual!: number;
  #projector: Projector | undefined;

  constructor(fitted: FittedReducer) {
    Object.assign(this, fitted);
  }

  /**
   * Reduces n vectors. A row's result does not depend on the rows beside it.
   * @param values float32 [n, dims], row-major.
   * @param firstRow number of the first row, for messages.
   * @returns float64 [n, k], row-major.
   * @throws RunError naming the row of a value that is not finite.
   */
  transform(values: Float32Array, n: number, firstRow = 0): Float64Array {
    this.#projector ??= new Projector(scalingOf(this), this.k).load(this.components);
    const reduced = this.#projector.project(values, n);
    const bad = firstNotFinite(reduced);
    if (bad >= 0) throw notFinite(values, this.dims, Math.floor(bad / this.k), firstRow);
    return reduced;
  }

  /**
   * The input of `transform`, as far as k components hold it: `(z components + pcaMean) scalerStd + scalerMean`.
   * @param reduced float64 [n, k], row-major.
   * @returns float64 [n, dims], row-major.
   */
  inverse(reduced: Float64Array, n: number): Float64Array {
    const { dims, k, components, pcaMean, scalerMean, scalerStd } = this;
    const values = new Float64Array(n * dims);
    for (let row = 0; row < n; row++) {
      const out = values.subarray(row * dims, (row + 1) * dims);
      out.set(pcaMean);
      for (let c = 0; c < k; c++) {
        const weight = reduced[row * k + c];
        const at = c * dims;
        for (let j = 0; j < dims; j++) out[j] += weight * components[at + j];
      }
      for (let j = 0; j < dims; j++) out[j] = out[j] * scalerStd[j] + scalerMean[j];
    }
    return values;
  }
}

/** Scaler and centring as one shift and one factor for each column. */
function scalingOf(fitted: FittedReducer): Scaling {
  const { standardize, scalerMean, scalerStd, pcaMean } = fitted;
  return standardize
    ? { shift: scalerMean, scale: inverses(scalerStd) }
    : { shift: pcaMean, scale: scalerStd };
}

/** 1 / value, and 0 for 0: a constant column scales to 0. */
export function inverses(values: Float64Array): Float64Array {
  return values.map((value) => (value === 0 ? 0 : 1 / value));
}
