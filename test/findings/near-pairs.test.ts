import { expect, test } from 'vitest';
import { type NearPairOptions, nearPairs } from '../../src/findings/near-pairs.ts';

/** float64 [count, k] of a seeded generator, 0 to 1. */
function seeded(count: number, k: number): Float64Array {
  let state = 42;
  return Float64Array.from({ length: count * k }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  });
}

function optionsOf(points: Float64Array, k: number, radius: number): NearPairOptions {
  const rows = Uint32Array.from({ length: points.length / k }, (_, i) => i);
  return { radius, rows, points, k, rest: undefined };
}

test.each([1, 2, 3, 5])('finds exactly the pairs that comparing all finds, k = %i', (k) => {
  const count = 400;
  const radius = [0, 0.001, 0.03, 0.1, 0.1, 0.3][k]!;
  const points = seeded(count, k);
  const expected: string[] = [];
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += (points[a * k + c]! - points[b * k + c]!) ** 2;
      if (Math.sqrt(sum) <= radius) expected.push(`${a} ${b}`);
    }
  }
  expect(expected.length).toBeGreaterThan(10);
  const { pairs, isComplete } = nearPairs(optionsOf(points, k, radius));
  expect(isComplete).toBe(true);
  expect(pairs.map(({ a, b }) => `${a} ${b}`).sort()).toEqual(expected.sort());
});

test('what the components leave out rules pairs out, and never one that is near in full', () => {
  const points = Float64Array.of(0, 0, 0, 0, 0, 0);
  const rest = Float64Array.of(1, 1.05, 9);
  const found = nearPairs({ ...optionsOf(points, 2, 0.1), rest });
  expect(found.pairs.map(({ a, b }) => [a, b])).toEqual([[0, 1]]);
});

test('pairs come by their bound, then by row', () => {
  const { pairs } = nearPairs(optionsOf(Float64Array.of(0, 3, 4, 7), 1, 3.1));
  expect(pairs.map(({ a, b }) => [a, b])).toEqual([
    [1, 2],
    [0, 1],
    [2, 3],
  ]);
});

test('negative coordinates lie in cells of their own', () => {
  const { pairs } = nearPairs(optionsOf(Float64Array.of(-0.05, 0.05, -1), 1, 0.2));
  expect(pairs.map(({ a, b }) => [a, b])).toEqual([[0, 1]]);
});

test('a search that reaches its limit says that it is not complete', () => {
  const { isComplete } = nearPairs({ ...optionsOf(seeded(400, 1), 1, 1), maxChecks: 100 });
  expect(isComplete).toBe(false);
});

test('200,000 rows of 10 components take seconds', () => {
  const points = seeded(200_000, 10);
  points.set(points.subarray(0, 10), 1_000_000);
  const before = process.cpuUsage();
  const { pairs, isComplete } = nearPairs(optionsOf(points, 10, 0.02));
  const { user, system } = process.cpuUsage(before);
  expect(isComplete).toBe(true);
  expect(pairs).toContainEqual({ a: 0, b: 100_000, bound: 0 });
  expect((user + system) / 1e6).toBeLessThan(20);
});
