import { expect, test } from 'vitest';
import type { ResizeFilter } from '../../../src/image/decoded-chunk.ts';
import { Resizer } from '../../../src/image/resize/resize.ts';
import { computeTaps } from '../../../src/image/resize/resize-taps.ts';

// All expected numbers are Pillow 12.2's for these pixels.
const square = {
  width: 3,
  height: 3,
  rgb: [
    [0, 10, 200, 255, 20, 100, 0, 30, 50],
    [40, 200, 0, 80, 100, 255, 120, 0, 0],
    [250, 5, 90, 3, 255, 60, 128, 128, 128],
  ].flat(),
};

function resize(
  { width, height, rgb }: { width: number; height: number; rgb: number[] },
  [outWidth, outHeight]: [number, number],
  filter: ResizeFilter,
): number[] {
  const resizer = new Resizer(outWidth, outHeight, filter);
  const out = new Uint8Array(resizer.outputBytes);
  resizer.resize(Uint8Array.from(rgb), width, height, out, 0);
  return [...out];
}

test.each([
  ['bicubic', [2, 2], [78, 70, 144, 104, 22, 75, 120, 129, 82, 86, 129, 103]],
  ['bicubic', [3, 1], [92, 83, 88, 110, 123, 148, 86, 48, 54]],
  ['bicubic', [1, 3], [100, 20, 115, 80, 100, 100, 116, 140, 90]],
  ['bicubic', [1, 1], [97, 88, 102]],
  [
    'bicubic',
    [5, 2],
    [
      4, 87, 132, 80, 70, 145, 197, 42, 162, 105, 22, 76, 42, 15, 25, 180, 81, 51, 119, 129, 82, 23,
      204, 134, 86, 131, 104, 137, 75, 85,
    ],
  ],
  ['bilinear', [2, 2], [81, 70, 138, 99, 31, 79, 119, 123, 85, 90, 124, 100]],
  ['bilinear', [1, 1], [97, 91, 104]],
  ['nearest', [2, 2], [0, 10, 200, 0, 30, 50, 250, 5, 90, 128, 128, 128]],
  ['nearest', [1, 1], [80, 100, 255]],
] as [ResizeFilter, [number, number], number[]][])(
  '%s of a 3 x 3 image to %j',
  (filter, size, expected) => {
    expect(resize(square, size, filter)).toEqual(expected);
  },
);

test('enlarging overshoots like Pillow at an edge', () => {
  const gray = (values: number[]) => values.flatMap((v) => [v, v, v]);
  const edge = { width: 4, height: 1, rgb: gray([20, 20, 200, 200]) };
  expect(resize(edge, [8, 1], 'bicubic')).toEqual(gray([20, 16, 8, 57, 163, 212, 204, 200]));
});

test('an overshoot beyond a byte saturates', () => {
  const rgb = [0, 0, 0, 0, 255, 255, 255, 255].flatMap((v) => [v, v, v]);
  const out = resize({ width: 8, height: 1, rgb }, [5, 1], 'bicubic');
  expect(out.filter((_, i) => i % 3 === 0)).toEqual([0, 0, 128, 255, 255]);
});

test('nearest samples at the middle of each output pixel', () => {
  const rgb = [0, 30, 60, 90, 120, 150, 180].flatMap((v) => [v, v, v]);
  const reds = (n: number) =>
    resize({ width: 7, height: 1, rgb }, [n, 1], 'nearest').filter((_, i) => i % 3 === 0);
  expect(reds(4)).toEqual([0, 60, 120, 180]);
  expect(reds(10)).toEqual([0, 30, 30, 60, 90, 90, 120, 150, 150, 180]);
});

test('an image of the right size is copied', () => {
  expect(resize(square, [3, 3], 'bicubic')).toEqual(square.rgb);
});

test('the output goes to its offset and nowhere else', () => {
  const resizer = new Resizer(1, 1, 'bicubic');
  const out = new Uint8Array(7).fill(9);
  resizer.resize(Uint8Array.from(square.rgb), 3, 3, out, 2);
  expect([...out]).toEqual([9, 9, 97, 88, 102, 9, 9]);
});

test('more sizes than the table cache holds still give the right pixels', () => {
  const resizer = new Resizer(2, 2, 'bicubic');
  const out = new Uint8Array(12);
  for (let size = 4; size < 150; size++) {
    resizer.resize(new Uint8Array(size * size * 3), size, size, out, 0);
  }
  resizer.resize(Uint8Array.from(square.rgb), 3, 3, out, 0);
  expect([...out]).toEqual([78, 70, 144, 104, 22, 75, 120, 129, 82, 86, 129, 103]);
});

test('the weights of every output position sum to one in fixed point, up to rounding', () => {
  const { counts, weights, width } = computeTaps(100, 7, 'bicubic');
  for (let i = 0; i < 7; i++) {
    const sum = weights.subarray(i * width, i * width + counts[i]).reduce((a, b) => a + b, 0);
    expect(Math.abs(sum - 2 ** 22)).toBeLessThanOrEqual(counts[i]);
  }
});
