import { expect, test } from 'vitest';
import { encodeTable, type TableEntry } from '../../../src/engine/graph/sorted-table.ts';

const entry = (key: string, ...value: number[]): TableEntry => [
  new TextEncoder().encode(key),
  Uint8Array.from(value),
];

test('two keys make a table of one block, keys sorted and their common start written once', () => {
  const table = encodeTable([entry('abd', 7), entry('', 1, 2), entry('abc', 5, 6)]);
  // biome-ignore format: one line for each field
  expect([...table]).toEqual([
    // data block at 0: shared, unshared, value length, key tail, value
    0, 0, 2, 1, 2,
    0, 3, 2, 0x61, 0x62, 0x63, 5, 6,
    2, 1, 1, 0x64, 7,
    0, 0, 0, 0,  1, 0, 0, 0,  // one restart, at 0
    0, ...crcAt(table, 0, 26),
    // empty metaindex block at 31
    0, 0, 0, 0,  1, 0, 0, 0,
    0, ...crcAt(table, 31, 8),
    // index block at 44: the last key, and the handle of the data block
    0, 3, 2, 0x61, 0x62, 0x64, 0, 26,
    0, 0, 0, 0,  1, 0, 0, 0,
    0, ...crcAt(table, 44, 16),
    // footer: handles of metaindex and index, padded to 40 bytes; magic
    31, 8, 44, 16, ...Array(36).fill(0),
    0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb,
  ]);
});

test('a key is written whole once in sixteen', () => {
  const keys = Array.from({ length: 17 }, (_, i) => `k${String(i).padStart(2, '0')}`);
  const table = encodeTable(keys.map((key) => entry(key, 9)));
  // 16 keys: the first whole (3 + 3 + 1), one of ten new in its tail's second digit (3 + 2 + 1).
  const restart = 7 + 14 * 5 + 6;
  expect([...table.subarray(restart, restart + 7)]).toEqual([0, 3, 1, 0x6b, 0x31, 0x36, 9]);
  const restarts = table.subarray(restart + 7, restart + 19);
  expect([...new Uint32Array(restarts.slice().buffer)]).toEqual([0, restart, 2]);
});

/** Bit by bit, independent of the tables under test; type byte included, masked, little-endian. */
function crcAt(table: Uint8Array, start: number, length: number): number[] {
  let crc = 0xffffffff;
  for (const byte of table.subarray(start, start + length + 1)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  const plain = ~crc >>> 0;
  const masked = (((plain >>> 15) | (plain << 17)) + 0xa282ead8) >>> 0;
  return [...new Uint8Array(Uint32Array.of(masked).buffer)];
}
