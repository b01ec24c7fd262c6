/**
 * Prints float32 values as the shortest decimal that reads back as the same float32, about as fast as
 * they can be stored. Nine digits always suffice (IEEE 754), and 10^22 is the largest power of ten that a
 * double holds exactly: with |exponent| <= 22 a candidate of nine digits times or over such a power is
 * rounded once, as a reader's parser does (W. D. Clinger, "How to read floating point numbers accurately").
 */

/** The longest is a value below 1e21 printed in full. */
export const FLOAT32_MAX_CHARS = 24;

const POW10 = Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const ZERO = 0x30;
const DOT = 0x2e;
const MINUS = 0x2d;
const EXPONENT = 0x65;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
/** Half the distance to the next float32 away from zero, by biased exponent. */
const HALF_ULP = Float64Array.from({ length: 255 }, (_, e) => 2 ** (Math.max(e, 1) - 127 - 24));

/** `0.0` to `999.0`: room for the text, then its length. */
const PIXELS = 1000;
const PIXEL_BYTES = 6;
const PIXEL_TEXTS = Uint8Array.from({ length: PIXELS * PIXEL_BYTES }, (_, i) => {
  const text = `${Math.floor(i / PIXEL_BYTES)}.0`;
  return i % PIXEL_BYTES === 5 ? text.length : text.charCodeAt(i % PIXEL_BYTES);
});

/**
 * Writes one finite float32 to `out` at `at`, always with a point or an exponent: `255.0`, `0.1`,
 * `1.5e-7`, `-0.0`. Integers below 1e9 are printed in full.
 *
 * @returns the position after the last character, at most FLOAT32_MAX_CHARS further
 */
export function writeFloat32(value: number, out: Uint8Array, at: number): number {
  // Pixels are whole numbers of three digits. Their text is copied whole: a loop takes twice as long.
  const pixel = value & 1023;
  if (value === pixel && pixel < PIXELS && (pixel > 0 || !Object.is(value, -0))) {
    const entry = pixel * PIXEL_BYTES;
    out[at] = PIXEL_TEXTS[entry];
    out[at + 1] = PIXEL_TEXTS[entry + 1];
    out[at + 2] = PIXEL_TEXTS[entry + 2];
    out[at + 3] = PIXEL_TEXTS[entry + 3];
    out[at + 4] = PIXEL_TEXTS[entry + 4];
    return at + PIXEL_TEXTS[entry + 5];
  }
  if (value < 0 || Object.is(value, -0)) {
    out[at++] = MINUS;
    value = -value;
  }
  if (value < 1e9 && value === Math.floor(value)) {
    at = writeInteger(value, countDigits(value), out, at);
    out[at++] = DOT;
    out[at++] = ZERO;
    return at;
  }
  if (value < 1e-13 || value >= 1e9) return writeSlowly(value, out, at);
  float[0] = value;
  const exponent = bits[0] >>> 23;
  // At a power of two the next float32 below is half as far away.
  const tolerance = (bits[0] & 0x7fffff) === 0 ? HALF_ULP[exponent] / 2 : HALF_ULP[exponent];
  // Digits after the point that make eight significant ones: most values of a network need 7 to 9.
  let scale = value >= 1 ? 8 - countDigits(Math.floor(value)) : 8 + leadingZeros(value);
  if (isSame(value, scale, tolerance)) {
    while (scale > 1 && isSame(value, scale - 1, tolerance)) scale--;
  } else {
    scale++;
  }
  const digits = candidate(value, scale);
  return value < 1e-5
    ? writeScientific(digits, scale, out, at)
    : writeFixed(digits, scale, out, at);
}

function candidate(value: number, scale: number): number {
  return Math.floor(value * POW10[scale] + 0.5);
}

/** Whether the decimal with `scale` digits after the point lies strictly inside the rounding interval. */
function isSame(value: number, scale: number, tolerance: number): boolean {
  return Math.abs(candidate(value, scale) / POW10[scale] - value) < tolerance;
}

/** `digits` / 10^scale as 0.00123 or 12.5; scale >= 1. */
function writeFixed(digits: number, scale: number, out: Uint8Array, at: number): number {
  const width = Math.max(countDigits(digits), scale + 1);
  writeInteger(digits, width, out, at + 1);
  // The point replaces the last digit before it, after those digits moved one to the left.
  const point = at + width - scale;
  for (let p = at; p < point; p++) out[p] = out[p + 1];
  out[point] = DOT;
  return at + width + 1;
}

/** `digits` / 10^scale as 1.23e-7. */
function writeScientific(digits: number, scale: number, out: Uint8Array, at: number): number {
  const count = countDigits(digits);
  const power = scale - count + 1;
  let end = writeInteger(digits, count, out, at + 1);
  out[at] = out[at + 1];
  out[at + 1] = DOT;
  if (count === 1) end = at + 1;
  out[end++] = EXPONENT;
  out[end++] = MINUS;
  return writeInteger(power, power < 10 ? 1 : 2, out, end);
}

/** An integer below 2^31 in `width` digits, with zeros in front. */
function writeInteger(integer: number, width: number, out: Uint8Array, at: number): number {
  // As int32 the division by a constant is one multiplication.
  let rest = integer | 0;
  for (let p = at + width - 1; p >= at; p--) {
    const next = (rest / 10) | 0;
    out[p] = ZERO + rest - next * 10;
    rest = next;
  }
  return at + width;
}

/** Outside the range of exact powers of ten: rare in features. */
function writeSlowly(value: number, out: Uint8Array, at: number): number {
  let shortest = value;
  for (let precision = 1; precision <= 9; precision++) {
    shortest = Number(value.toPrecision(precision));
    if (Math.fround(shortest) === value) break;
  }
  const text = String(shortest);
  const full = /[.e]/.test(text) ? text : `${text}.0`;
  for (let i = 0; i < full.length; i++) out[at++] = full.charCodeAt(i);
  return at;
}

function countDigits(integer: number): number {
  let count = 1;
  while (count < 11 && integer >= POW10[count]) count++;
  return count;
}

/** Zeros between the point and the first digit, for 1e-13 <= value < 1. */
function leadingZeros(value: number): number {
  let zeros = value < 1e-4 ? (value < 1e-8 ? 7 : 3) : 0;
  while (value * POW10[zeros + 1] < 1) zeros++;
  return zeros;
}
