import { expect, test } from 'vitest';
import { choosePoints, pictureOrder } from '../../src/report/page-points.ts';

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
