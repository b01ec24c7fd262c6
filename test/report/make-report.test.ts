import { expect, test } from 'vitest';
import type { RunRows } from '../../src/findings/collect-rows.ts';
import { previewReducer } from '../../src/findings/preview-reducer.ts';

/** 60 rows on one line through the space, in two batches, and a hair of noise. */
function lineOf(dims: number): RunRows {
  const row = (i: number) =>
    Float32Array.from({ length: dims }, (_, j) => i * (1 + (j % 3)) + 1e-3 * ((i * 7 + j * 3) % 5));
  return {
    count: 60,
    dims,
    k: 0,
    async *batches() {
      for (const first of [0, 30]) {
        const vectors = new Float32Array(30 * dims);
        for (let i = 0; i < 30; i++) vectors.set(row(first + i), i * dims);
        yield { n: 30, origins: [], targets: [], vectors, reduced: new Float64Array(0) };
      }
    },
  };
}

// 300 values are summed into a matrix; of 1,000, VGG16's predictions, rows are gone over again.
test.each([300, 1000])('a run without components gets some of %i values', async (dims) => {
  const reducer = await previewReducer(lineOf(dims), false);
  expect(reducer!.k).toBe(10);
  expect(reducer!.explainedVarianceRatio[0]).toBeGreaterThan(0.999);
});

test('too long vectors, single rows and tables without vectors get none', async () => {
  expect(await previewReducer(lineOf(1025), false)).toBeUndefined();
  expect(await previewReducer({ ...lineOf(3), count: 1 }, false)).toBeUndefined();
  expect(await previewReducer(lineOf(0), false)).toBeUndefined();
});
