import { expect, test } from 'vitest';
import { formatBytes, formatDuration, formatRate } from '../../src/terminal/units.ts';

test('durations read well at every size', () => {
  expect([0.4, 950, 12_345, 59_960, 245_000, 11_520_000].map(formatDuration)).toEqual([
    '0 ms',
    '950 ms',
    '12.3 s',
    '1 min 00 s',
    '4 min 05 s',
    '3 h 12 min',
  ]);
});

test('sizes use powers of 1000', () => {
  expect([0, 999, 1000, 999_960, 3_249_000, 1.1e9].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '1.0 MB',
    '3.2 MB',
    '1.1 GB',
  ]);
});

test('rates keep the digits that say something', () => {
  expect([4.531, 87.23, 1234.5].map(formatRate)).toEqual(['4.53', '87.2', '1,235']);
});
