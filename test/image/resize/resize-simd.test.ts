import { expect, test } from 'vitest';
import { convolveColumns, convolveRows } from '../../../src/image/resize/resize-kernels.ts';
import { encodeTable, SimdResize } from '../../../src/image/resize/resize-simd.ts';
import { computeTaps } from '../../../src/image/resize/resize-taps.ts';

/** Bytes at the ends of their range, where sums are clipped, and between. */
function noise(size: number): Uint8Array {
  let state = 7;
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    const value = (state >>> 16) & 0x3ff;
    return value < 256 ? value : value % 2 === 0 ? 0 : 255;
  });
}

const sizes = [
  [100, 100, 10, 10],
  [100, 100, 224, 224],
  [333, 217, 224, 224],
  [1, 1, 10, 10],
  [2, 3, 5, 7],
  [3, 2, 1, 1],
  [5000, 2, 3, 9],
  // Several strips of the source, each of 69 rows.
  [5000, 200, 3, 9],
  [7, 4000, 10, 10],
  [4, 5, 17, 3],
] as const;

for (const filter of ['bicubic', 'bilinear'] as const) {
  test(`vectors and plain code resize to the same bytes, ${filter}`, () => {
    const simd = SimdResize.create()!;
    for (const [width, height, outWidth, outHeight] of sizes) {
      const source = noise(width * height * 3);
      const rows = computeTaps(width, outWidth, filter);
      const columns = computeTaps(height, outHeight, filter);
      const between = new Uint8Array(outWidth * height * 3);
      const expected = new Uint8Array(outWidth * outHeight * 3 + 2);
      convolveRows(source, width, height, rows, between, 0, outWidth);
      convolveColumns(between, outWidth * 3, columns, expected, 1, outHeight);
      const out = new Uint8Array(expected.length);
      const rowTable = encodeTable(rows, 'rows', outWidth);
      const columnTable = encodeTable(columns, 'columns', outWidth);
      expect(simd.resize(source, width, height, rowTable, columnTable, out, 1)).toBe(true);
      // toEqual takes seconds for so many bytes.
      expect(Buffer.compare(out, expected), `${width} x ${height}`).toBe(0);
    }
  });
}

test('an image larger than the memory allows is left alone', () => {
  const simd = SimdResize.create()!;
  const table = encodeTable(computeTaps(400_000, 2, 'bicubic'), 'rows', 2);
  const columns = encodeTable(computeTaps(1, 2, 'bicubic'), 'columns', 2);
  const out = new Uint8Array(12);
  expect(simd.resize(new Uint8Array(1_200_000), 400_000, 1, table, columns, out, 0)).toBe(false);
  expect(out).toEqual(new Uint8Array(12));
});
