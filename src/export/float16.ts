/**
 * IEEE 754's binary16, which JavaScript has no array of in the versions of Node that are supported: kept as its bits, and computed
 * with as float32, which holds each of its values.
 */

/** The largest; what is nearer to 65536 would round to infinity. */
export const FLOAT16_MAX = 65504;

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** Rounded to nearest, ties to even: 1e-8 becomes 0, 65520 infinity. */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const sign = (bits[i] >>> 16) & 0x8000;
    const size = bits[i] & 0x7fffffff;
    if (size >= 0x47800000) {
      halves[i] = sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00);
    } else if (size === 0) {
      halves[i] = sign;
    } else if (size >= 0x38800000) {
      // From 2^-14 on: the exponent's bias changes from 127 to 15, and 13 bits of the fraction go.
      halves[i] = sign | ((size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13);
    } else {
      // Below, steps are of 2^-24: those of a float32 from 0.5 on, which the addition rounds to.
      float[0] = Math.abs(values[i]) + 0.5;
      halves[i] = sign | (floatBits[0] - 0x3f000000);
    }
  }
  return halves;
}

let floats: Float32Array | undefined;

/** The same values as float32. */
export function fromFloat16(halves: Uint16Array): Float32Array {
  floats ??= Float32Array.from({ length: 1 << 16 }, (_, half) => {
    const exponent = (half >> 10) & 31;
    const fraction = (half & 1023) / 1024;
    const size =
      exponent === 31
        ? fraction === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : exponent === 0
          ? fraction * 2 ** -14
          : (1 + fraction) * 2 ** (exponent - 15);
    return half < 0x8000 ? size : -size;
  });
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = floats[halves[i]];
  return values;
}

/** Rounds finite values to those of float16, in place: what `toFloat16` then makes of them is exact. */
export function roundToFloat16(values: Float32Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const size = bits[i] & 0x7fffffff;
    if (size === 0) continue;
    if (size >= 0x38800000) {
      bits[i] = (bits[i] + 0xfff + ((size >> 13) & 1)) & ~0x1fff;
    } else {
      const rounded = Math.fround(Math.abs(values[i]) + 0.5) - 0.5;
      values[i] = values[i] < 0 ? -rounded : rounded;
    }
  }
}

/** Position of the first value that would round to infinity; -1 where there is none. */
export function firstBeyondFloat16(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) >= 65520) return i;
  return -1;
}

/** Numbers to compute with or print: float16 as the same values in float32. */
export function widened<A extends Float32Array | Float64Array>(
  values: A | Uint16Array,
): A | Float32Array {
  return values instanceof Uint16Array ? fromFloat16(values) : values;
}
