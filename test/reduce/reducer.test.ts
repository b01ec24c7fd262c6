import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { FeatureBlocks } from '../../src/reduce/feature-blocks.ts';
import { readNpz } from '../../src/reduce/npz.ts';
import type { Reducer } from '../../src/reduce/reducer.ts';
import { ReducerFitter, type ReducerOptions } from '../../src/reduce/reducer-fitter.ts';
import { describeReference } from '../reference.ts';

/** Rows held in memory, handed out some at a time. */
function blocksOf(values: Float32Array, n: number, dims: number, step = 100): FeatureBlocks {
  return {
    dims,
    count: n,
    async *blocks() {
      for (let at = 0; at < n; at += step) {
        const rows = Math.min(step, n - at);
        yield { values: values.subarray(at * dims, (at + rows) * dims), n: rows };
      }
    },
  };
}

async function fitted(
  values: Float32Array,
  n: number,
  dims: number,
  options: ReducerOptions,
): Promise<Reducer> {
  const blocks = blocksOf(values, n, dims);
  const fitter = new ReducerFitter(dims, options);
  for await (const block of blocks.blocks()) fitter.add(block);
  return fitter.finish(blocks);
}

describeReference('the Spark job', (dir) => {
  test('1,000 pixel vectors reduce to its numbers within 1e-6, up to signs', async () => {
    const arrays = readNpz(readFileSync(`${dir}/reference/seed-spark/pixels.npz`));
    const float64 = (key: string) => arrays.get(key)!.data as Float64Array;
    const values = Float32Array.from(arrays.get('vectors_bgr')!.data as Uint8Array);
    for (const center of [true, false]) {
      const reducer = await fitted(values, 1000, 300, { k: 10, standardize: true, center });
      expect(worst(reducer.scalerMean, float64('scaler_mean'))).toBeLessThan(1e-12);
      expect(worst(reducer.scalerStd, float64('scaler_std'))).toBeLessThan(1e-12);
      const ratios = float64('explained_variance');
      expect(worst(reducer.explainedVarianceRatio, ratios)).toBeLessThan(1e-13);
      const reduced = reducer.transform(values, 1000);
      expect(worstUpToSigns(reduced, float64('vectors_redux'), 10)).toBeLessThan(1e-11);
    }
  });
});

function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce((most, value, i) => {
    return Math.max(most, Math.abs(value - expected[i]!));
  }, 0);
}

/** Largest difference between two [n, k], each column of the first times 1 or -1. */
function worstUpToSigns(actual: Float64Array, expected: Float64Array, k: number): number {
  let most = 0;
  for (let v = 0; v < k; v++) {
    const column = (of: Float64Array) => of.filter((_, at) => at % k === v);
    const [a, b] = [column(actual), column(expected)];
    most = Math.max(
      most,
      Math.min(
        worst(a, b),
        worst(
          a.map((x) => -x),
          b,
        ),
      ),
    );
  }
  return most;
}
