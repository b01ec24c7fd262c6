/** What the page computes, without a browser. */
import { expect, test } from 'vitest';
import type { Collected } from '../../src/findings/collect-rows.ts';
import { visible } from '../../src/report/page/dom.ts';
import { PictureLayer } from '../../src/report/page/draw-pictures.ts';
import type { Groups } from '../../src/report/page/groups.ts';
import { palette } from '../../src/report/page/palette.ts';
import { PlotView } from '../../src/report/page/plot-view.ts';
import { boundsOf, nearest, pointGrid, readPoints } from '../../src/report/page/points.ts';
import type { Thumbs } from '../../src/report/page/thumbs.ts';
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
  const layer = { label: 'pixels', k: 2, reduced: rows.reduced, typical: 2, variance: [0.5, 0.25] };
  const other = { ...layer, label: 'fc2', k: 1, reduced: Float32Array.of(7, 8, 9, 10), typical: 1 };
  const packed = pagePoints(rows, Uint32Array.of(0, 1, 2, 3), {
    layers: [layer, other],
    kinds: Uint8Array.of(0, 1, 33, 0),
    parts: { names: ['Training', 'Test'], of: Int8Array.of(0, 1, -1, 0) },
    ownRows: 4,
  });
  const points = readPoints(JSON.parse(JSON.stringify(packed)));
  expect(points.origins).toEqual(origins);
  expect([...points.layers[0]!.values]).toEqual([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]);
  expect(points.layers[1]).toMatchObject({ label: 'fc2', k: 1, variance: [0.5, 0.25] });
  expect([...points.layers[1]!.values]).toEqual([7, 8, 9, 10]);
  expect([...points.kinds]).toEqual([0, 1, 33, 0]);
  expect([...points.parts!]).toEqual([0, 1, -1, 0]);
  expect([...points.targets]).toEqual([0, 0, 1, 2]);
});

test('nearest points are those that sorting all by distance gives', () => {
  const [count, k] = [500, 4];
  const values = seeded(count * k);
  for (const point of [0, 99, 499]) {
    const all = Array.from({ length: count }, (_, other) => {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += (values[other * k + c]! - values[point * k + c]!) ** 2;
      return { point: other, distance: Math.sqrt(sum) };
    }).filter(({ point: other }) => other !== point);
    all.sort((a, b) => a.distance - b.distance);
    expect(nearest({ values, k }, point, 12)).toEqual(all.slice(0, 12));
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

/** Pictures of n points spread over a plot of 900 × 600 pixels, and how to draw them. */
function picturesOf(n: number) {
  const plot = new PlotView();
  [plot.width, plot.height] = [900, 600];
  const places = seeded(2 * n);
  plot.setPoints(places.slice(0, n), places.slice(n));
  const drawn: number[] = [];
  const thumbs = {
    points: Int32Array.from({ length: n }, (_, i) => i),
    shapeOf: () => [1, 0.5],
    draw: (_: unknown, point: number) => drawn.push(point) > 0,
  } as unknown as Thumbs;
  const groups = { colors: [[0, 0, 0]], of: new Uint32Array(n) } as unknown as Groups;
  const context = { fillRect() {} } as unknown as CanvasRenderingContext2D;
  const layer = new PictureLayer(thumbs);
  layer.arrange(plot, () => true);
  const draw = (): Set<number> => {
    drawn.length = 0;
    layer.draw(context, plot, groups, Float32Array.of(1));
    return new Set(drawn);
  };
  return { plot, layer, draw };
}

test('few pictures are all shown', () => {
  expect(picturesOf(200).draw().size).toBe(200);
});

test('of many those with room are shown; a closer view keeps them and adds others', () => {
  const { plot, draw } = picturesOf(5000);
  const far = draw();
  expect(far.size).toBeGreaterThan(200);
  expect(far.size).toBeLessThan(1500);
  plot.pan(5, 5);
  expect(draw()).toEqual(far);
  plot.showAll();
  for (const zoomed of [2, 4, 8]) {
    plot.zoom(2, 450, 300);
    expect(plot.zoomed).toBeCloseTo(zoomed);
    const isInside = (point: number) => plot.isInside(plot.placeOf(point));
    const near = draw();
    expect([...far].filter((point) => isInside(point) && !near.has(point))).toEqual([]);
    expect(near.size).toBeGreaterThan([...far].filter(isInside).length);
  }
});

test('the picture under the pointer is found', () => {
  const { plot, layer, draw } = picturesOf(3);
  draw();
  const { left, top, width, height } = layer.find(1)!;
  expect([width, height]).toEqual([56, 28]);
  expect(plot.placeOf(1).x).toBeCloseTo(left + width / 2);
  expect(layer.at(left + 1, top + height - 1)).toBe(1);
  layer.clear();
  expect(layer.at(left + 1, top + 1)).toBe(-1);
});
