import { base64 } from './base64.ts';
import type { PageThumbs } from './page-data.ts';

/** Pictures of a pixels run: 300 bytes each, so 400 bytes of the page. */
export const MAX_PIXEL_THUMBS = 20_000;

/**
 * The pictures that a pixels run has in its table: 10×10.
 * @param pixels uint8 [rows, side, side, 3]
 * @param order rows that get a picture, the most useful first
 * @param pointOf the point of a row, or undefined
 */
export function pixelThumbs(
  pixels: Uint8Array,
  order: Iterable<number>,
  pointOf: (row: number) => number | undefined,
  { side, isBgr, most }: { readonly side: number; readonly isBgr: boolean; readonly most: number },
): PageThumbs {
  const size = side * side * 3;
  const rows: number[] = [];
  for (const row of order) {
    if (rows.length === most) break;
    if (pointOf(row) !== undefined) rows.push(row);
  }
  const data = new Uint8Array(rows.length * size);
  rows.forEach((row, i) => {
    const picture = pixels.subarray(row * size, (row + 1) * size);
    data.set(picture, i * size);
    if (!isBgr) return;
    for (let p = i * size; p < (i + 1) * size; p += 3) {
      [data[p], data[p + 2]] = [data[p + 2], data[p]];
    }
  });
  const isAll = rows.length < most;
  return {
    kind: 'pixels',
    side,
    perRow: 1,
    points: base64(Int32Array.from(rows, (row) => pointOf(row)!)),
    data: [base64(data)],
    bytes: data.byteLength,
    note: `Pictures are the ${side}×${side} pixels of the table${isAll ? '' : `, of ${rows.length} images spread over the classes`}; \`img2features report <run> --thumbnails 2000\` makes larger ones.`,
  };
}

/** No pictures, and why. */
export function noThumbs(note: string): PageThumbs {
  return { kind: 'none', side: 0, perRow: 1, points: '', data: [], bytes: 0, note };
}
