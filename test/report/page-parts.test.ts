/** What the page computes, without a browser. */
import { expect, test } from 'vitest';
import type { Collected } from '../../src/findings/collect-rows.ts';
import { visible } from '../../src/report/page/dom.ts';
import { commandOf } from '../../src/report/page/header.ts';
import { palette } from '../../src/report/page/palette.ts';
import { boundsOf, nearest, pointGrid, readPoints } from '../../src/report/page/points.ts';
import { pagePoints } from '../../src/report/page-points.ts';

function seeded(count: number): Float32Array {
  let state = 7;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  });
}

test('what is packed for the page is what the page unpacks', () => {
  const origins = ['a/b/1.jpg', 'a/b/10.jpg', 'a/\u{1f34e}/x\n</script>.jpg', 'a/\u{1f34f}/y.jpg'];
  const rows = {
    count: 4,
    k: 2,
    origins,
    targets: Uint32Array.of(0, 0, 1, 2),
    reduced: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  } as unknown as Collected;
  const packed = pagePoints(rows, Uint32Array.of(0, 1, 2, 3), 4, 2, 'pixels');
  const points = readPoints(JSON.parse(JSON.stringify(packed)));
  expect(points.origins).toEqual(origins);
  expect([...points.values]).toEqual([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]);
  expect([...points.targets]).toEqual([0, 0, 1, 2]);
});

test('nearest points are those that sorting all by distance gives', () => {
  const [count, k] = [500, 4];
  const values = seeded(count * k);
  const points = { count, k, values, targets: new Uint32Array(count), origins: [] };
  for (const point of [0, 99, 499]) {
    const all = Array.from({ length: count }, (_, other) => {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += (values[other * k + c]! - values[point * k + c]!) ** 2;
      return { point: other, distance: Math.sqrt(sum) };
    }).filter(({ point: other }) => other !== point);
    all.sort((a, b) => a.distance - b.distance);
    expect(nearest(points, point, 12)).toEqual(all.slice(0, 12));
  }
});

test('the grid finds the nearest point within reach, and no hidden one', () => {
  const xs = seeded(2000);
  const ys = seeded(2000).map((y) => 1 - y * y);
  const grid = pointGrid(xs, ys, boundsOf(xs, ys));
  for (const [x, y] of [
    [0.5, 0.5],
    [0.01, 0.99],
    [2, 2],
  ] as const) {
    const isShown = (point: number) => point % 2 === 0;
    let best = -1;
    let limit = 0.1 ** 2;
    for (let i = 0; i < 2000; i += 2) {
      const far = (xs[i]! - x) ** 2 + (ys[i]! - y) ** 2;
      if (far <= limit) [best, limit] = [i, far];
    }
    expect(grid.nearest(x, y, 0.1, isShown)).toBe(best);
  }
});

test('forty classes have forty colours', () => {
  expect(new Set(palette(40).map(String)).size).toBe(40);
  expect(palette(300)).toHaveLength(300);
});

test('characters that steer text are written out', () => {
  expect(visible('a\u202egpj.exe\u0000\n')).toBe('a\\u{202e}gpj.exe\\u{0}\\u{a}');
});

test('the command that the page shows can be run: a network of one’s own is named', () => {
  const options = { input: 'images', mode: 'cnn', model: 'models/mine', layer: 'avg_pool', k: 10 };
  expect(commandOf('extract', options, 'out')).toBe(
    'img2features images --mode cnn --model models/mine --layer avg_pool --k 10 --out out',
  );
  const standard = { input: 'images', mode: 'vgg16', model: 'models/vgg16', k: 10 };
  expect(commandOf('extract', standard, 'out')).toBe(
    'img2features images --mode vgg16 --k 10 --out out',
  );
  expect(commandOf('extract', { input: 'images', mode: 'pixels', k: 10 }, 'out')).toBe(
    'img2features images --mode pixels --k 10 --out out',
  );
});
