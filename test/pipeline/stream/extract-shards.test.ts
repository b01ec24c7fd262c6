import { expect, test } from 'vitest';
import { ShardBuilder } from '../../../src/pipeline/stream/extract-shards.ts';

test('rows of every output stand in the order they came', () => {
  const shard = new ShardBuilder(4, [2, 1]);
  shard.append([5, 7], [Float32Array.of(1, 2, 3, 4), Float32Array.of(9, 8)], []);
  shard.append(
    [8],
    [Float32Array.of(5, 6), Float32Array.of(7)],
    [{ index: 6, reason: 'truncated', message: 'cut' }],
  );
  // A plain object: an update spreads it, and a getter would be lost then.
  const { indices, outputs, rejections } = { ...shard.content() };
  expect(indices).toEqual([5, 7, 8]);
  expect(outputs.map((o) => [...o])).toEqual([
    [1, 2, 3, 4, 5, 6],
    [9, 8, 7],
  ]);
  expect(rejections.map((r) => r.index)).toEqual([6]);
});
