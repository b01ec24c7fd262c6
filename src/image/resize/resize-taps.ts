import type { ResizeFilter } from '../decoded-chunk.ts';

/**
 * For each output position along one axis: where its input window starts and the fixed-point
 * weights.
 */
export interface ResizeTaps {
  /** First input position of the window, [outSize]. */
  readonly starts: Int32Array;
  /** How many input positions the window has, [outSize]. */
  readonly counts: Int32Array;
  /** Weights times 2^22, [outSize, width]; zero beyond `counts`. */
  readonly weights: Int32Array;
  /** Row length of `weights`. */
  readonly width: number;
}

/** Pillow's PRECISION_BITS: 32 - 8 bits of a pixel - 2 bits of headroom for negative lobes. */
export const PRECISION_BITS = 22;

/**
 * The weights of Pillow's antialiased convolution (`precompute_coeffs` and `normalize_coeffs_8bpc`
 * of its Resample.c), computed in the same order of float64 operations so that every integer comes
 * out the same.
 */
export function computeTaps(
  inSize: number,
  outSize: number,
  filter: Exclude<ResizeFilter, 'nearest'>,
): ResizeTaps {
  const kernel = filter === 'bicubic' ? bicubic : triangle;
  const scale = inSize / outSize;
  // Shrinking widens the kernel, so that every input pixel counts.
  const filterScale = Math.max(scale, 1);
  const support = (filter === 'bicubic' ? 2 : 1) * filterScale;
  const step = 1 / filterScale;
  const width = Math.max(4, Math.ceil(support) * 2 + 1);
  const starts = new Int32Array(outSize);
  const counts = new Int32Array(outSize);
  const weights = new Int32Array(outSize * width);
  const exact = new Float64Array(width);
  for (let i = 0; i < outSize; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(inSize, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let x = 0; x < count; x++) {
      exact[x] = kernel((x + start - center + 0.5) * step);
      sum += exact[x];
    }
    for (let x = 0; x < count; x++) {
      const weight = (sum === 0 ? exact[x] : exact[x] / sum) * (1 << PRECISION_BITS);
      weights[i * width + x] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { starts, counts, weights, width };
}

/** Keys' cubic with a = -0.5, in Pillow's order of operations. */
function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function triangle(distance: number): number {
  const x = Math.abs(distance);
  return x < 1 ? 1 - x : 0;
}
