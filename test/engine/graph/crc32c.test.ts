import { expect, test } from 'vitest';
import { crc32c, maskCrc } from '../../../src/engine/graph/crc32c.ts';

const bytes = (from: number, step: number) =>
  Uint8Array.from({ length: 32 }, (_, i) => from + step * i);

test.each([
  // RFC 3720, B.4
  ['32 zeros', bytes(0, 0), 0x8a9136aa],
  ['32 times 255', bytes(255, 0), 0x62a8ab43],
  ['0 to 31', bytes(0, 1), 0x46dd794e],
  ['31 to 0', bytes(31, -1), 0x113fdb5c],
  // The check value of the CRC catalogue
  ['"123456789"', new TextEncoder().encode('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(0), 0],
])('the CRC-32C of %s is the published one', (_, data, expected) => {
  expect(crc32c(data)).toBe(expected);
});

test('parts give what the whole gives, wherever it is cut', () => {
  const data = bytes(7, 5);
  for (let at = 0; at <= data.length; at++) {
    expect(crc32c(data.subarray(at), crc32c(data.subarray(0, at)))).toBe(crc32c(data));
  }
});

test('the masked form is rotated by 15 bits, plus a constant', () => {
  expect(maskCrc(0)).toBe(0xa282ead8);
  expect(maskCrc(1)).toBe(0xa284ead8);
  expect(maskCrc(0x8000)).toBe(0xa282ead9);
});
