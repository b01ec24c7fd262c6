import { expect, test } from 'vitest';
import { FLOAT32_MAX_CHARS, writeFloat32 } from '../../src/export/write-float32.ts';

const out = new Uint8Array(64);
const print = (value: number): string =>
  Buffer.from(out.subarray(0, writeFloat32(Math.fround(value), out, 0))).toString('latin1');

/** The fewest digits that read back as the same float32, found by trying. */
function fewestDigits(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    if (Math.fround(Number(value.toPrecision(digits))) === value) return digits;
  }
  return 9;
}

const digitsIn = (text: string): number =>
  text.replace(/e.*/, '').replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '').length;

/** A small seeded generator (mulberry32), so that a failure can be repeated. */
function* seeded(count: number): Generator<number> {
  let state = 20261122;
  for (let i = 0; i < count; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    yield (t ^ (t >>> 14)) >>> 0;
  }
}

test('prints known values as other languages print a float', () => {
  const expected: [number, string][] = [
    [0, '0.0'],
    [-0, '-0.0'],
    [255, '255.0'],
    [-17, '-17.0'],
    [0.1, '0.1'],
    [0.5, '0.5'],
    [1 / 3, '0.33333334'],
    [2 / 3, '0.6666667'],
    [Math.PI, '3.1415927'],
    [103.939, '103.939'],
    [-123.68, '-123.68'],
    [8388607.5, '8388607.5'],
    [16777216, '16777216.0'],
    [1.1e-5, '0.000011'],
    [1e-5, '1e-5'],
    [9.9e-6, '9.9e-6'],
    [1e-7, '1e-7'],
    [1.5e-10, '1.5e-10'],
    [1.1754944e-38, '1.1754944e-38'],
    [1.4e-45, '1e-45'],
    [3.4028235e38, '3.4028235e+38'],
    [1e9, '1000000000.0'],
  ];
  expect(expected.map(([value]) => print(value))).toEqual(expected.map(([, text]) => text));
});

test('reads back as the same float32 in the fewest digits, for every kind of bits', () => {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  const wrong: string[] = [];
  for (const draw of seeded(40_000)) {
    bits[0] = draw;
    const value = float[0];
    if (!Number.isFinite(value)) continue;
    const text = print(value);
    const isShort =
      digitsIn(text) <= fewestDigits(value) || (Number.isInteger(value) && Math.abs(value) < 1e9);
    if (Math.fround(Number(text)) !== value || !isShort || text.length > FLOAT32_MAX_CHARS) {
      wrong.push(`${value} as ${text}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('reads back as the same float32 in the size of features', () => {
  const wrong: string[] = [];
  for (const draw of seeded(40_000)) {
    // Spread over 1e-13 … 1e9, signs mixed.
    const value = Math.fround((draw / 2 ** 31 - 1) * 10 ** ((draw % 23) - 13));
    const text = print(value);
    if (Math.fround(Number(text)) !== value || digitsIn(text) > Math.max(fewestDigits(value), 0)) {
      if (!Number.isInteger(value)) wrong.push(`${value} as ${text}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('holds at powers of two, where the float32 below is only half as far away', () => {
  for (let power = -149; power < 128; power++) {
    const value = 2 ** power;
    expect(Math.fround(Number(print(value)))).toBe(value);
    expect(Math.fround(Number(print(-value)))).toBe(-value);
  }
});
