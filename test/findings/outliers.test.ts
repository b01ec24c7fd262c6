import { expect, test } from 'vitest';
import { findOutliers } from '../../src/findings/outliers.ts';

/** One class on a line. */
function onALine(points: readonly number[]) {
  const targets = new Uint32Array(points.length);
  const rows = { targets, classes: ['one'], reduced: Float64Array.from(points), k: 1 };
  return findOutliers(rows, points.length);
}

test('an image far from all others of its class is an outlier, with its numbers', () => {
  // Median 5; distances 5 4 3 2 1 0 1 2 3 4 35, median 3, deviations' median 1.
  const [outlier, ...others] = onALine([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 40]);
  expect(others).toEqual([]);
  expect(outlier).toMatchObject({ row: 10, distance: 35, median: 3, deviation: 1, classSize: 11 });
  expect(outlier!.score).toBeCloseTo(32 / 1.4826, 10);
});

test('an even spread has no outlier', () => {
  expect(onALine([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).toEqual([]);
});

test('a class of fewer than ten images has none', () => {
  expect(onALine([0, 1, 2, 3, 4, 5, 6, 7, 400])).toEqual([]);
});

test('a class of copies has no spread to measure by', () => {
  expect(onALine([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9])).toEqual([]);
});

test('each class has its own centre, and the worst comes first', () => {
  const near = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const points = [...near, 60, ...near.map((x) => x + 1000), 1300];
  const targets = Uint32Array.from(points, (x) => (x < 900 ? 0 : 1));
  const rows = { targets, classes: ['one', 'two'], reduced: Float64Array.from(points), k: 1 };
  const found = findOutliers(rows, points.length);
  expect(found.map(({ row }) => row)).toEqual([21, 10]);
});
