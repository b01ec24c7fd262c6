import { expect, test } from 'vitest';
import type { NpyArray } from '../../src/reduce/npy.ts';
import { readNpz, writeNpz } from '../../src/reduce/npz.ts';
import { ReducerFitter, SCATTER_DIMS } from '../../src/reduce/reducer-fitter.ts';
import { blocksOf, randomRows, worst } from './feature-rows.ts';

const options = { k: 2, standardize: true, center: true };
const values = randomRows(700, 4, 1);

function fitter(first: number, end: number, dims = 4, rows = values): ReducerFitter {
  const made = new ReducerFitter(dims, options);
  made.add({ values: rows.subarray(first * dims, end * dims), n: end - first });
  return made;
}

test('a fitter put away and taken up again ends with the same bits', async () => {
  const whole = await fitter(0, 700).finish(blocksOf(values, 4));
  const resumed = ReducerFitter.fromState(fitter(0, 300).state(), 4, options);
  expect(resumed.count).toBe(300);
  resumed.add({ values: values.subarray(300 * 4), n: 400 });
  expect({ ...(await resumed.finish(blocksOf(values, 4))) }).toEqual({ ...whole });
});

test('above the limit of dimensions the same holds', () => {
  const dims = SCATTER_DIMS + 1;
  const rows = randomRows(6, dims, 2);
  const whole = fitter(0, 6, dims, rows);
  const resumed = ReducerFitter.fromState(fitter(0, 2, dims, rows).state(), dims, options);
  resumed.add({ values: rows.subarray(2 * dims), n: 4 });
  expect(resumed.state().equals(whole.state())).toBe(true);
});

test('parts summed apart and merged in order equal the whole to rounding', async () => {
  const whole = await fitter(0, 700).finish(blocksOf(values, 4));
  const merged = ReducerFitter.fromState(fitter(0, 100).state(), 4, options);
  merged.merge(ReducerFitter.fromState(fitter(100, 450).state(), 4, options));
  merged.merge(fitter(450, 700));
  expect(merged.count).toBe(700);
  const reducer = await merged.finish(blocksOf(values, 4));
  expect(worst(reducer.scalerStd, whole.scalerStd)).toBeLessThan(1e-14);
  expect(worst(reducer.components, whole.components)).toBeLessThan(1e-12);
});

test('sums made by another program, relative to zero, are taken', async () => {
  // Rows (1, 2) and (3, 6): mean (2, 4), scatter [[2, 4], [4, 8]].
  const scalar = (value: bigint): NpyArray => {
    return { dtype: 'int64', shape: [], data: BigInt64Array.of(value) };
  };
  const vector = (...data: number[]): NpyArray => {
    return { dtype: 'float64', shape: [data.length], data: Float64Array.from(data) };
  };
  const state = writeNpz(
    new Map<string, NpyArray>([
      ['version', scalar(1n)],
      ['count', scalar(2n)],
      ['origin', vector(0, 0)],
      ['mean', vector(2, 4)],
      ['scatter', vector(2, 4, 8)],
      ['waiting', { dtype: 'float64', shape: [0, 2], data: new Float64Array(0) }],
    ]),
  );
  const plain = { k: 1, standardize: false, center: true };
  const made = ReducerFitter.fromState(state, 2, plain);
  const reducer = await made.finish(blocksOf(Float32Array.of(1, 2, 3, 6), 2));
  expect(worst(reducer.explainedVariance, [10])).toBeLessThan(1e-14);
  expect(worst(reducer.components, [Math.sqrt(0.2), Math.sqrt(0.8)])).toBeLessThan(1e-15);
});

test('a scatter matrix from elsewhere is taken above the limit too, but not mixed with columns alone', () => {
  const dims = SCATTER_DIMS + 1;
  const state = readNpz(fitter(0, 6, dims, randomRows(6, dims, 2)).state());
  const scatter = new Float64Array((dims * (dims + 1)) / 2);
  state.set('scatter', { dtype: 'float64', shape: [scatter.length], data: scatter });
  const made = ReducerFitter.fromState(writeNpz(state), dims, options);
  expect(made.count).toBe(6);
  expect(() => made.merge(new ReducerFitter(dims, options))).toThrow(
    'Expected the sums of two fitters to be of one kind but found a scatter matrix and columns alone',
  );
});

test('a state of other dimensions is refused', () => {
  expect(() => ReducerFitter.fromState(fitter(0, 9).state(), 5, options)).toThrow(
    'Expected sums of 5 columns for a fitter but found 4 columns and 10 sums',
  );
});

test('a state of another version is refused', () => {
  const arrays = readNpz(fitter(0, 9).state());
  arrays.set('version', { dtype: 'int64', shape: [], data: BigInt64Array.of(2n) });
  expect(() => ReducerFitter.fromState(writeNpz(arrays), 4, options)).toThrow(
    "Expected version 1 for a fitter's state but found 2",
  );
});

test('a state that lacks an array is refused', () => {
  const arrays = readNpz(fitter(0, 9).state());
  arrays.delete('mean');
  expect(() => ReducerFitter.fromState(writeNpz(arrays), 4, options)).toThrow(
    "Expected other values for mean in a fitter's state but found nothing",
  );
});

test('fitters of other dimensions do not merge', () => {
  expect(() => fitter(0, 9).merge(new ReducerFitter(3, options))).toThrow(
    'Expected vectors of 4 values for a merge but found 3',
  );
});
