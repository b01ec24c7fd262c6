import { RunError } from '../errors.ts';
import type { NpyArray } from './npy.ts';
import { readNpz, writeNpz } from './npz.ts';
import { type FittedReducer, Reducer } from './reducer.ts';

/**
 * reducer.npz holds fitted reducers for numpy.load and for `readReducerFile`. `outputs` lists their
 * names; of a single one the keys are plain, of several they are "<name>.<key>":
 *   scaler_mean, scaler_std, pca_mean   float64 [dims]
 *   components                          float64 [k, dims]
 *   explained_variance(_ratio)          float64 [k]
 *   total_variance, residual            float64
 *   n_samples                           int64
 *   standardize, center                 bool
 * In NumPy, with scale = where(scaler_std > 0, scaler_std, inf):
 *   reduced = ((x - scaler_mean) / scale - pca_mean) @ components.T
 */
export function writeReducerFile(reducers: ReadonlyMap<string, Reducer>): Buffer {
  const arrays = new Map<string, NpyArray>();
  arrays.set('outputs', { dtype: 'string', shape: [reducers.size], data: [...reducers.keys()] });
  for (const [name, reducer] of reducers) {
    const { dims, k } = reducer;
    const put = (key: string, shape: readonly number[], data: Float64Array) =>
      arrays.set(prefix(name, reducers.size) + key, { dtype: 'float64', shape, data });
    const flag = (key: string, isSet: boolean) =>
      arrays.set(prefix(name, reducers.size) + key, {
        dtype: 'bool',
        shape: [],
        data: Uint8Array.of(isSet ? 1 : 0),
      });
    put('scaler_mean', [dims], reducer.scalerMean);
    put('scaler_std', [dims], reducer.scalerStd);
    put('pca_mean', [dims], reducer.pcaMean);
    put('components', [k, dims], reducer.components);
    put('explained_variance', [k], reducer.explainedVariance);
    put('explained_variance_ratio', [k], reducer.explainedVarianceRatio);
    put('total_variance', [], Float64Array.of(reducer.totalVariance));
    put('residual', [], Float64Array.of(reducer.residual));
    arrays.set(`${prefix(name, reducers.size)}n_samples`, {
      dtype: 'int64',
      shape: [],
      data: BigInt64Array.of(BigInt(reducer.count)),
    });
    flag('standardize', reducer.standardize);
    flag('center', reducer.center);
  }
  return writeNpz(arrays);
}

/**
 * Reads reducer.npz: the reducers by the names that they were written with.
 * @throws RunError when the file is damaged or lacks an array.
 */
export function readReducerFile(bytes: Uint8Array): Map<string, Reducer> {
  const arrays = readNpz(bytes);
  const names = arrays.get('outputs');
  if (names?.dtype !== 'string') {
    throw new RunError('Expected the names of the outputs in reducer.npz but found none.');
  }
  return new Map(
    names.data.map((name) => {
      return [name, new Reducer(readFitted(arrays, prefix(name, names.data.length)))];
    }),
  );
}

function readFitted(arrays: ReadonlyMap<string, NpyArray>, start: string): FittedReducer {
  const read = <T extends NpyArray['dtype']>(key: string, dtype: T, shape?: readonly number[]) => {
    const array = arrays.get(start + key);
    if (array?.dtype !== dtype || (shape && String(array.shape) !== String(shape))) {
      const found = array ? `${array.dtype} [${array.shape}]` : 'nothing';
      throw new RunError(
        `Expected ${dtype} [${shape ?? ''}] for ${start}${key} in reducer.npz but found ${found}.`,
      );
    }
    return array as Extract<NpyArray, { dtype: T }>;
  };
  const { shape, data: components } = read('components', 'float64');
  const [k = 0, dims = 0] = shape;
  const vector = (key: string, size: number) => read(key, 'float64', [size]).data;
  return {
    dims,
    k,
    components,
    count: Number(read('n_samples', 'int64', []).data[0]),
    standardize: read('standardize', 'bool', []).data[0] === 1,
    center: read('center', 'bool', []).data[0] === 1,
    scalerMean: vector('scaler_mean', dims),
    scalerStd: vector('scaler_std', dims),
    pcaMean: vector('pca_mean', dims),
    explainedVariance: vector('explained_variance', k),
    explainedVarianceRatio: vector('explained_variance_ratio', k),
    totalVariance: read('total_variance', 'float64', []).data[0],
    residual: read('residual', 'float64', []).data[0],
  };
}

function prefix(name: string, reducers: number): string {
  return reducers === 1 ? '' : `${name}.`;
}
