import { expect, test } from 'vitest';
import { decodeLzw } from '../../../src/image/formats/decode-gif.ts';

// Root size 2: codes 0 to 3 are indices, 4 clears, 5 ends, new strings begin at 6. Codes are 3
// bits, lowest first, until there are 8 of them.

test('codes for indices, for a known string and for the string just being made', () => {
  // clear, 1, 6 ("1 1", not known yet), 6 ("1 1"), then in 4 bits 2 and the end: 100 001 110 110
  // 0010 0101
  const data = Uint8Array.of(2, 3, 0b10_001_100, 0b0010_110_1, 0b0101, 0);
  expect([...decodeLzw(data, 6)]).toEqual([1, 1, 1, 1, 1, 2]);
});

test('data may be split into blocks anywhere', () => {
  const data = Uint8Array.of(2, 1, 0b10_001_100, 2, 0b0010_110_1, 0b0101, 0);
  expect([...decodeLzw(data, 6)]).toEqual([1, 1, 1, 1, 1, 2]);
});

test('pixels beyond the frame are left out', () => {
  const data = Uint8Array.of(2, 3, 0b10_001_100, 0b0010_110_1, 0b0101, 0);
  expect([...decodeLzw(data, 2)]).toEqual([1, 1]);
});

test.each([
  ['an end code before the last pixel', [2, 1, 0b00_101_100, 0], 'found data for 0'],
  ['no more blocks', [2, 1, 0b00_001_100, 0], 'found data for'],
  ['a code nobody defined', [2, 2, 0b11_001_100, 0b1, 0], 'found code 7'],
  ['a string before any index', [2, 1, 0b00_110_100, 0], 'found code 6'],
  ['an impossible code size', [12, 1, 0, 0], 'found a code size of 12 bits'],
])('%s is refused', (_, bytes, message) => {
  expect(() => decodeLzw(Uint8Array.from(bytes), 9)).toThrow(message);
});
