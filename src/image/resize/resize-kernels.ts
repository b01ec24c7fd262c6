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
  const { starts, counts, weights, width: tapWidth } = taps;
  for (let y = 0; y < outHeight; y++) {
    const first = y * tapWidth;
    const row = starts[y] * rowBytes;
    const o = offset + y * rowBytes;
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

/** Fixed point to a byte, saturating: a bicubic kernel overshoots. */
function clip(sum: number): number {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : Math.min(value, 255);
}
