import { setImmediate } from 'node:timers/promises';
import { OptionError, RunError } from '../errors.ts';
import { ColumnMoments } from './column-moments.ts';
import {
  type SymmetricOperator,
  type TopEigenpairsOptions,
  topEigenpairs,
} from './eigen/top-eigenpairs.ts';
import { Moments } from './moments.ts';
import { passOperator } from './passes/pass-operator.ts';
import { type FeatureBlock, type FeatureBlocks, isResident } from './passes/row-passes.ts';
import { inverses, Reducer, type Scaling } from './reducer.ts';

export interface ReducerOptions {
  /** Components, at least 1. */
  readonly k: number;
  /** Subtract the mean and divide by the sample standard deviation before the PCA. */
  readonly standardize: boolean;
  /** Project vectors less their mean (scikit-learn); false projects them as they are (Spark). */
  readonly center: boolean;
  /** Rows that will be added as fast as the fitter takes them: threads help to sum them; none where other work needs the cores. */
  readonly readyRows?: number;
}

/**
 * Up to here `add` keeps a scatter matrix (8 dims^2 bytes) and `finish` reads no rows; above it only
 * columns' moments, and `finish` goes over all rows again, some 10 to 20 times, or sums the matrix where many more
 * are predicted: for few components that takes far fewer products, and the run itself is not slower.
 */
export const SCATTER_DIMS = 512;

/** Vectors that the eigensolver holds on a scatter matrix, whose products are cheap ... */
const SCATTER_CAPACITY = 60;
/** ... and on passes over the rows, where more vectors save passes: at most so many, and so many bytes. */
const PASS_CAPACITY = 160;
const PASS_BYTES = 128 * 1024 * 1024;
const MOST_PRODUCTS = 1000;
const MOST_PASSES = 100;
/** On rows in memory a pass costs what it computes, and narrow blocks need the fewest vectors. */
const RESIDENT_WIDTH = 4;
const MOST_RESIDENT_PASSES = 1000;
/** Rows are float32: each value is known to 6e-8 of its size. */
const PASS_ANGLE = 1e-9;

/** Fits a scaler and a PCA on a stream of rows; the result depends on the rows and their order only. */
export class ReducerFitter {
  readonly dims: number;
  readonly options: ReducerOptions;
  readonly #moments: Moments | ColumnMoments;

  /** @throws OptionError when k is not a whole number of at least 1. */
  constructor(dims: number, options: ReducerOptions) {
    if (!Number.isInteger(options.k) || options.k < 1) {
      throw new OptionError(`Expected a whole number of at least 1 for k but found ${options.k}.`);
    }
    this.dims = dims;
    this.options = options;
    this.#moments =
      dims <= SCATTER_DIMS ? new Moments(dims, options.readyRows) : new ColumnMoments(dims);
  }

  /** Rows added so far. */
  get count(): number {
    return this.#moments.count;
  }

  /**
   * Adds the next rows.
   * @throws RunError naming the row (counted from the first ever added) of a value that is not finite.
   */
  async add({ values, n }: FeatureBlock): Promise<void> {
    await this.#moments.add(values, n);
  }

  /**
   * Finds scaler and components. Components beyond the rank (n - 1, dims or less) are zeros.
   * @param blocks the rows that were added, in the same order; read where there is no scatter matrix.
   * @throws RunError when `blocks` are not those rows; the signal's reason when it fires.
   */
  async finish(blocks: FeatureBlocks, signal?: AbortSignal): Promise<Reducer> {
    const { dims, count } = this;
    const moments = this.#moments;
    const { k, standardize, center } = this.options;
    if (blocks.dims !== dims || blocks.count !== count) {
      throw new RunError(
        `Expected ${count} rows of ${dims} values for the PCA but found ${blocks.count} of ${blocks.dims}.`,
      );
    }
    const mean = await moments.mean();
    const degrees = Math.max(1, count - 1);
    const variances = (await moments.squares()).map((sum) => sum / degrees);
    const scalerStd = standardize ? variances.map(Math.sqrt) : new Float64Array(dims).fill(1);
    const scale = inverses(scalerStd);
    const totalVariance = variances.reduce((sum, variance, j) => sum + variance * scale[j] ** 2, 0);
    const shared = { k, count, totalVariance, signal };
    const components =
      moments instanceof Moments
        ? await fitComponents(scatterOperator(moments, scale), { ...shared, ...SCATTER_LIMITS })
        : await fitByPasses(blocks, { shift: mean, scale }, shared);
    if (moments instanceof Moments) await moments.close();
    return new Reducer({
      ...components,
      dims,
      k,
      count,
      standardize,
      center,
      scalerMean: standardize ? mean : new Float64Array(dims),
      scalerStd,
      pcaMean: center && !standardize ? mean : new Float64Array(dims),
      totalVariance,
    });
  }
}

const SCATTER_LIMITS = {
  capacity: SCATTER_CAPACITY,
  maxApplies: MOST_PRODUCTS,
};

async function fitByPasses(
  blocks: FeatureBlocks,
  scaling: Scaling,
  options: Pick<FitComponentsOptions, 'k' | 'count' | 'totalVariance' | 'signal'>,
) {
  const isCheap = isResident(blocks);
  const operator = passOperator(blocks, scaling);
  try {
    return await fitComponents(operator, {
      ...options,
      capacity: Math.min(PASS_CAPACITY, Math.floor(PASS_BYTES / (16 * blocks.dims))),
      maxApplies: isCheap ? MOST_RESIDENT_PASSES : MOST_PASSES,
      maxCheapApplies: MOST_PRODUCTS,
      angle: PASS_ANGLE,
      ...(isCheap && { width: Math.ceil(options.k / 12) * RESIDENT_WIDTH }),
    });
  } finally {
    await operator.close();
  }
}

/**
 * The covariance of scaled rows as an operator on the scatter matrix of the raw ones:
 *   C q = D S D q / (n - 1), with D = diag(scale).
 * Standardised data (scale = 1 / deviation) need no second pass over the rows.
 */
export function scatterOperator(moments: Moments, scale: Float64Array): SymmetricOperator {
  const { dims } = moments;
  return {
    dims,
    async apply(block, b) {
      // The event loop runs between products, for a signal or a progress bar.
      await setImmediate();
      const scaled = block.map((value, at) => value * scale[at % dims]);
      const image = await moments.applyScatter(scaled, b);
      const share = 1 / (moments.count - 1);
      return image.map((value, at) => value * share * scale[at % dims]);
    },
  };
}

interface FitComponentsOptions extends TopEigenpairsOptions {
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
async function fitComponents(operator: SymmetricOperator, options: FitComponentsOptions) {
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
