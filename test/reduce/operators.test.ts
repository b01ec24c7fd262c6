import { expect, test } from 'vitest';
import { Moments } from '../../src/reduce/moments.ts';
import { passOperator } from '../../src/reduce/passes/pass-operator.ts';
import { scatterOperator } from '../../src/reduce/reducer-fitter.ts';
import { blocksOf, randomRows, worst } from './feature-rows.ts';

test('the covariance of three scaled rows times a vector, by hand', async () => {
  // Columns (1, 3, 5) and (0, 0, 6): deviations (-2, 0, 2), (-2, -2, 4), halved in the second one.
  // Covariance [[4, 3], [3, 3]]; times (1, 2): (10, 9).
  const values = Float32Array.of(1, 0, 3, 0, 5, 6);
  const scale = Float64Array.of(1, 0.5);
  const moments = new Moments(2);
  await moments.add(values, 3);
  const vector = Float64Array.of(1, 2);
  expect([...(await scatterOperator(moments, scale).apply(vector, 1))]).toEqual([10, 9]);
  const passes = passOperator(blocksOf(values, 2), { shift: Float64Array.of(3, 2), scale });
  expect([...(await passes.apply(vector, 1))]).toEqual([10, 9]);
});

test('passes over rows and the scatter matrix are the same operator', async () => {
  const [n, dims] = [150, 601];
  const values = randomRows(n, dims, 1).map((value) => value + 3);
  const scale = Float64Array.from(randomRows(1, dims, 2));
  const moments = new Moments(dims);
  await moments.add(values, n);
  const passes = passOperator(blocksOf(values, dims, 70), { shift: await moments.mean(), scale });
  for (const b of [5, 12, 1]) {
    const block = Float64Array.from(randomRows(b, dims, 3));
    const expected = await scatterOperator(moments, scale).apply(block, b);
    expect(expected.length).toBe(b * dims);
    expect(worst(await passes.apply(block, b), expected)).toBeLessThan(1e-13);
  }
});
