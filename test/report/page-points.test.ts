import { expect, test } from 'vitest';
import { type Collected, collectRows } from '../../src/findings/collect-rows.ts';
import type { Reducer } from '../../src/reduce/reducer.ts';
import {
  choosePoints,
  classStrips,
  findingKinds,
  layersOf,
  pictureOrder,
} from '../../src/report/page-points.ts';

test('a table that fits is shown whole', () => {
  expect([...choosePoints(4, [2], 10)]).toEqual([0, 1, 2, 3]);
});

test('of a larger one the rows of findings are shown, and others evenly', () => {
  const chosen = choosePoints(1000, [7, 999], 12);
  expect(chosen).toHaveLength(12);
  expect(chosen).toContain(7);
  expect(chosen).toContain(999);
  const gaps = [...chosen].slice(1).map((row, i) => row - chosen[i]!);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(100);
});

test('pictures go to findings first, then to each class in turn', () => {
  const targets = Uint32Array.of(0, 0, 0, 0, 0, 1, 2, 2);
  const rows = Uint32Array.from({ length: 8 }, (_, i) => i);
  const order = [...pictureOrder(rows, targets, 3, [7, 3, 7])];
  expect(order.slice(0, 2)).toEqual([7, 3]);
  expect(order.slice(2, 5).map((row) => targets[row])).toEqual([0, 1, 2]);
  expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('a strip goes from the middle of its class to its edge', () => {
  // A line from 0 to 99 whose median is 49.5, and a class of three.
  const n = 103;
  const rows = {
    classes: ['line', 'few'],
    targets: Uint32Array.from({ length: n }, (_, i) => (i < 100 ? 0 : 1)),
    k: 1,
    reduced: Float64Array.from({ length: n }, (_, i) => (i < 100 ? i : [0, 10, 1][i - 100]!)),
  } as unknown as Collected;
  const chosen = Uint32Array.from({ length: n }, (_, i) => i);
  const [line, few] = classStrips(rows, chosen, [100, 3]);
  const far = line!.map((row) => Math.abs(row - 49.5));
  expect(line).toHaveLength(12);
  expect(far).toEqual([...far].sort((a, b) => a - b));
  expect([far[0], far.at(-1)]).toEqual([0.5, 49.5]);
  expect(few).toEqual([102, 100, 101]);
});

test('of very many classes the largest have strips', () => {
  const n = 4000;
  const rows = {
    classes: Array.from({ length: n }, (_, i) => `class ${i}`),
    targets: Uint32Array.from({ length: n }, (_, i) => i),
    k: 1,
    reduced: new Float64Array(n),
  } as unknown as Collected;
  const counts = Array.from({ length: n }, (_, i) => (i === 3999 ? 9 : 1));
  const chosen = Uint32Array.from({ length: n }, (_, i) => i);
  const strips = classStrips(rows, chosen, counts);
  expect(strips.filter((strip) => strip.length > 0)).toHaveLength(500);
  expect(strips[3999]).toEqual([3999]);
});

test('each image has the kinds of the findings that name it', () => {
  const finding = { classes: [], images: 1, evidence: {}, threshold: null };
  const found = [
    { ...finding, kind: 'leak' as const, origins: ['a', 'elsewhere'] },
    { ...finding, kind: 'outlier' as const, origins: ['a', 'b'] },
  ];
  const rowOf = new Map([
    ['a', 0],
    ['b', 2],
  ]);
  expect([...findingKinds(found, rowOf, 3)]).toEqual([1 + 32, 0, 32]);
});

test('each layer of a run has its components, its own unit and its shares of the variance', async () => {
  const batch = (row: number, others: Float64Array[]) => ({
    n: 1,
    origins: [`${row}.jpg`],
    targets: ['a'],
    vectors: new Float32Array(0),
    reduced: Float64Array.of(row, -row),
    others,
  });
  const rows = await collectRows(
    {
      count: 2,
      dims: 0,
      k: 2,
      others: [1, 0, 2],
      async *batches() {
        yield batch(1, [Float64Array.of(5), new Float64Array(0), Float64Array.of(6, 7)]);
        // A row of a run that this one is compared with has no further layers.
        yield batch(2, []);
      },
    },
    undefined,
    undefined,
  );
  const reducer = (k: number, totalVariance: number, explainedVarianceRatio: number[]) =>
    ({ k, totalVariance, explainedVarianceRatio, dims: 0 }) as unknown as Reducer;
  const reducers = [
    reducer(2, 2, [0.5, 0.1]),
    reducer(1, 8, [0.9]),
    reducer(0, 1, []),
    reducer(2, 2, [0.4, 0.3]),
  ];
  const layers = layersOf(rows, ['fc1', 'fc2', 'left out', 'predictions'], reducers);
  expect(layers).toEqual([
    {
      label: 'fc1',
      k: 2,
      reduced: Float64Array.of(1, -1, 2, -2),
      typical: 2,
      variance: [0.5, 0.1],
    },
    { label: 'fc2', k: 1, reduced: Float32Array.of(5, 0), typical: 4, variance: [0.9] },
    {
      label: 'predictions',
      k: 2,
      reduced: Float32Array.of(6, 7, 0, 0),
      typical: 2,
      variance: [0.4, 0.3],
    },
  ]);
});
