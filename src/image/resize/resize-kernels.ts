import { PRECISION_BITS, type ResizeTaps } from './resize-taps.ts';

// The two passes of Pillow's ImagingResample for 8-bit pixels. Sums are int32: weights are 22-bit
// fixed point, so 255 times their absolute sum stays below 2^31. Rounding is by starting at one
// half.
const HALF = 1 << (PRECISION_BITS - 1);

/**
 * Horizontal pass: uint8 [height, width, 3] -> [height, outWidth, 3] at `out[offset]`.
 */
export function convolveRows(
  source: Uint8Array,
  width: number,
  height: number,
  taps: ResizeTaps,
  out: Uint8Array,
  offset: number,
  outWidth: number,
): void {
  if (taps.isFourWide) {
    convolveRowsFour(source, width, height, taps, out, offset, outWidth);
    return;
  }
  const { starts, counts, weights, width: tapWidth } = taps;
  let o = offset;
  for (let y = 0; y < height; y++) {
    const row = y * width * 3;
    for (let x = 0; x < outWidth; x++, o += 3) {
      let r = HALF;
      let g = HALF;
      let b = HALF;
      let i = row + starts[x] * 3;
      const first = x * tapWidth;
      const last = first + counts[x];
      for (let k = first; k < last; k++, i += 3) {
        const weight = weights[k];
        r = (r + Math.imul(weight, source[i])) | 0;
        g = (g + Math.imul(weight, source[i + 1])) | 0;
        b = (b + Math.imul(weight, source[i + 2])) | 0;
      }
      out[o] = clip(r);
      out[o + 1] = clip(g);
      out[o + 2] = clip(b);
    }
  }
}

/** The same with the four weights of an enlargement in locals. */
function convolveRowsFour(
  source: Uint8Array,
  width: number,
  height: number,
  taps: ResizeTaps,
  out: Uint8Array,
  offset: number,
  outWidth: number,
): void {
  const { starts, weights, width: tapWidth } = taps;
  let o = offset;
  for (let y = 0; y < height; y++) {
    const row = y * width * 3;
    for (let x = 0; x < outWidth; x++, o += 3) {
      const k = x * tapWidth;
      const k0 = weights[k];
      const k1 = weights[k + 1];
      const k2 = weights[k + 2];
      const k3 = weights[k + 3];
      const i = row + starts[x] * 3;
      out[o] = clip(
        (HALF +
          Math.imul(k0, source[i]) +
          Math.imul(k1, source[i + 3]) +
          Math.imul(k2, source[i + 6]) +
          Math.imul(k3, source[i + 9])) |
          0,
      );
      out[o + 1] = clip(
        (HALF +
          Math.imul(k0, source[i + 1]) +
          Math.imul(k1, source[i + 4]) +
          Math.imul(k2, source[i + 7]) +
          Math.imul(k3, source[i + 10])) |
          0,
      );
      out[o + 2] = clip(
        (HALF +
          Math.imul(k0, source[i + 2]) +
          Math.imul(k1, source[i + 5]) +
          Math.imul(k2, source[i + 8]) +
          Math.imul(k3, source[i + 11])) |
          0,
      );
    }
  }
}

/**
 * Vertical pass: uint8 [height, rowBytes] -> [outHeight, rowBytes] at `out[offset]`. Columns do not
 * mix, so channels need no care; `rowBytes` is a multiple of 3.
 */
export function convolveColumns(
  source: Uint8Array,
  rowBytes: number,
  taps: ResizeTaps,
  out: Uint8Array,
  offset: number,
  outHeight: number,
): void {
  const { starts, counts, weights, width: tapWidth, isFourWide } = taps;
  for (let y = 0; y < outHeight; y++) {
    const first = y * tapWidth;
    const row = starts[y] * rowBytes;
    const o = offset + y * rowBytes;
    if (isFourWide) {
      convolveColumnsFour(source, rowBytes, weights, first, row, out, o);
      continue;
    }
    const last = first + counts[y];
    for (let x = 0; x < rowBytes; x += 3) {
      let r = HALF;
      let g = HALF;
      let b = HALF;
      let i = row + x;
      for (let k = first; k < last; k++, i += rowBytes) {
        const weight = weights[k];
        r = (r + Math.imul(weight, source[i])) | 0;
        g = (g + Math.imul(weight, source[i + 1])) | 0;
        b = (b + Math.imul(weight, source[i + 2])) | 0;
      }
      out[o + x] = clip(r);
      out[o + x + 1] = clip(g);
      out[o + x + 2] = clip(b);
    }
  }
}

function convolveColumnsFour(
  source: Uint8Array,
  rowBytes: number,
  weights: Int32Array,
  first: number,
  row: number,
  out: Uint8Array,
  o: number,
): void {
  const k0 = weights[first];
  const k1 = weights[first + 1];
  const k2 = weights[first + 2];
  const k3 = weights[first + 3];
  const row1 = row + rowBytes;
  const row2 = row1 + rowBytes;
  const row3 = row2 + rowBytes;
  for (let x = 0; x < rowBytes; x++) {
    out[o + x] = clip(
      (HALF +
        Math.imul(k0, source[row + x]) +
        Math.imul(k1, source[row1 + x]) +
        Math.imul(k2, source[row2 + x]) +
        Math.imul(k3, source[row3 + x])) |
        0,
    );
  }
}

/** Fixed point to a byte, saturating: a bicubic kernel overshoots. */
function clip(sum: number): number {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : Math.min(value, 255);
}
