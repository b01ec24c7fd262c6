import { expect, test } from 'vitest';
import { finishVectors } from '../../../src/pipeline/stream/run-batches.ts';

const OUTPUTS = [{ layer: 'sum', pool: 'none', length: 3 }] as const;
const PLAIN = { normalize: 'none', vectorType: 'float32' } as const;

function finished(values: readonly number[], form: Partial<Parameters<typeof finishVectors>[2]>) {
  const vectors = Float32Array.from(values);
  finishVectors([vectors], OUTPUTS, { ...PLAIN, ...form }, (row) => `${row}.png`);
  return [...vectors];
}

test('l2 divides each row by its own length, and a row of zeros stays', () => {
  const rows = [3, 0, 4, 0, 0, 0, -1e30, 0, 0];
  expect(finished(rows, { normalize: 'l2' })).toEqual(
    [0.6, 0, 0.8, 0, 0, 0, -1, 0, 0].map(Math.fround),
  );
  expect(finished(rows, {})).toEqual(rows.map(Math.fround));
});

test('float16 rounds the vectors, after their length was divided out', () => {
  const vectors = finished([1, 65519, 1e-9], { vectorType: 'float16' });
  expect(vectors).toEqual([1, 65504, 0]);
  expect(finished([7e6, 0, 7e6], { vectorType: 'float16', normalize: 'l2' })).toEqual([
    0.70703125, 0, 0.70703125,
  ]);
});

test('a number that float16 would make infinite is refused with its layer and image', () => {
  expect(() => finished([1, 2, 3, 4, -65520, 6], { vectorType: 'float16' })).toThrow(
    'Expected features within ±65504 for --vector-type float16 of layer sum for 1.png but found -65520.',
  );
});
