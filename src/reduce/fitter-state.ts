import { RunError } from '../errors.ts';
import type { MomentsState } from './moments.ts';
import type { NpyArray } from './npy.ts';
import { readNpz, writeNpz } from './npz.ts';

const VERSION = 1n;

/**
 * A fitter's sums as .npz bytes, for parts of a data set that are summed apart. d = dims:
 *   version   int64: 1
 *   count     int64: rows in the sums
 *   origin    float64 [d]: what rows are taken relative to
 *   mean      float64 [d]: mean of the summed rows less the origin
 *   scatter   float64: sums of products of deviations from the mean, the upper triangle by rows
 *             [d (d + 1) / 2] (numpy.triu_indices order) up to SCATTER_DIMS, above it the diagonal [d]
 *   waiting   float64 [w, d], w < 256: rows less the origin that are in no sum yet
 * A program that has all sums at hand writes w = 0; any origin does.
 */
export function encodeFitterState(state: MomentsState): Buffer {
  const float64 = (data: Float64Array, shape: readonly number[] = [data.length]): NpyArray => {
    return { dtype: 'float64', shape, data };
  };
  const int64 = (value: bigint): NpyArray => {
    return { dtype: 'int64', shape: [], data: BigInt64Array.of(value) };
  };
  const dims = state.origin.length;
  return writeNpz(
    new Map([
      ['version', int64(VERSION)],
      ['count', int64(BigInt(state.count))],
      ['origin', float64(state.origin)],
      ['mean', float64(state.mean)],
      ['scatter', float64(state.scatter)],
      ['waiting', float64(state.waiting, [state.waiting.length / dims, dims])],
    ]),
  );
}

/** @throws RunError when the bytes are damaged, of another version, or do not fit together. */
export function decodeFitterState(bytes: Uint8Array): MomentsState {
  const arrays = readNpz(bytes);
  const int64 = (key: string): bigint => {
    const array = arrays.get(key);
    if (array?.dtype !== 'int64' || array.data.length !== 1) throw unfit(key, array);
    return array.data[0]!;
  };
  const float64 = (key: string, axes: number, isFit: (size: number) => boolean): Float64Array => {
    const array = arrays.get(key);
    if (array?.dtype !== 'float64' || array.shape.length !== axes || !isFit(array.data.length)) {
      throw unfit(key, array);
    }
    return array.data;
  };
  const version = int64('version');
  if (version !== VERSION) {
    throw new RunError(`Expected version ${VERSION} for a fitter's state but found ${version}.`);
  }
  const origin = float64('origin', 1, (size) => size > 0);
  const dims = origin.length;
  return {
    count: Number(int64('count')),
    origin,
    mean: float64('mean', 1, (size) => size === dims),
    scatter: float64('scatter', 1, (size) => size === (dims * (dims + 1)) / 2 || size === dims),
    waiting: float64('waiting', 2, (size) => size % dims === 0 && size / dims < 256),
  };
}

function unfit(key: string, array: NpyArray | undefined): RunError {
  const found = array === undefined ? 'nothing' : `${array.dtype} [${array.shape}]`;
  return new RunError(`Expected other values for ${key} in a fitter's state but found ${found}.`);
}
