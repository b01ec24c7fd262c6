import { expect, test } from 'vitest';
import type { DecodedChunk } from '../../../src/image/decoded-chunk.ts';
import { chunkRanges } from '../../../src/pipeline/stream/decode-entries.ts';
import { type ImageBatch, packBatches } from '../../../src/pipeline/stream/run-batches.ts';

const timing = { readMs: 0, decodeMs: 0, resizeMs: 0 };

/** One byte an image, holding its manifest position; `bad` positions are rejected. */
async function pack(
  shards: [number, number][],
  chunkSize: number,
  batchSize: number,
  bad: number[],
) {
  const ranges = chunkRanges(
    shards.map(([start, end], id) => ({ id, start, end })),
    chunkSize,
  );
  async function* decoded(): AsyncGenerator<DecodedChunk> {
    for (const { start, end } of ranges) {
      const all = Array.from({ length: end - start }, (_, i) => start + i);
      const indices = all.filter((index) => !bad.includes(index));
      const rejections = all
        .filter((index) => bad.includes(index))
        .map((index) => ({ index, reason: 'corrupt' as const, message: 'bad' }));
      yield { indices, pixels: Uint8Array.from(indices), sizes: [], rejections, timing };
    }
  }
  const batches: ImageBatch[] = [];
  let allocated = 0;
  const allocate = () => {
    allocated += 1;
    return new Uint8Array(batchSize);
  };
  // What is recycled is overwritten at once.
  const recycle = ({ pixels }: DecodedChunk) => void pixels.fill(255);
  const options = { batchSize, imageBytes: 1, allocate, recycle };
  for await (const batch of packBatches(decoded(), ranges, options)) batches.push(batch);
  expect(allocated).toBe(batches.filter(({ indices }) => indices.length > 0).length);
  const memories = batches
    .map(({ pixels }) => pixels)
    .filter(({ buffer }) => buffer.byteLength > 0);
  // Each batch's memory is given back: that of two batches would be used twice at once.
  expect(new Set(memories.map(({ buffer }) => buffer)).size).toBe(allocated);
  expect(memories).toHaveLength(allocated);
  return batches;
}

test('batches are full except at the end of a shard, and never cross shards', async () => {
  const batches = await pack(
    [
      [0, 10],
      [10, 15],
    ],
    3,
    4,
    [],
  );
  expect(batches.map((b) => [b.shard, b.indices, b.isLastOfShard])).toEqual([
    [0, [0, 1, 2, 3], false],
    [0, [4, 5, 6, 7], false],
    [0, [8, 9], true],
    [1, [10, 11, 12, 13], false],
    [1, [14], true],
  ]);
  for (const batch of batches) expect([...batch.pixels]).toEqual(batch.indices);
});

test('bad images leave no gap in a batch and are handed on exactly once', async () => {
  const batches = await pack([[0, 8]], 4, 4, [1, 2, 7]);
  expect(batches.map((b) => [b.indices, b.isLastOfShard])).toEqual([
    [[0, 3, 4, 5], false],
    [[6], true],
  ]);
  expect(batches.flatMap((b) => b.rejections.map((r) => r.index)).sort()).toEqual([1, 2, 7]);
  for (const batch of batches) expect([...batch.pixels]).toEqual(batch.indices);
});

test('a shard of bad images ends with an empty batch', async () => {
  const batches = await pack(
    [
      [0, 2],
      [2, 3],
    ],
    2,
    4,
    [0, 1],
  );
  expect(batches.map((b) => [b.shard, b.indices, b.rejections.length, b.isLastOfShard])).toEqual([
    [0, [], 2, true],
    [1, [2], 0, true],
  ]);
});

test('a shard that ends with a full batch is completed by that batch', async () => {
  const batches = await pack([[0, 4]], 4, 4, []);
  expect(batches.map((b) => [b.indices.length, b.isLastOfShard])).toEqual([[4, true]]);
});

test('a full batch followed only by bad images is completed by an empty batch', async () => {
  const batches = await pack([[0, 6]], 4, 4, [4, 5]);
  expect(batches.map((b) => [b.indices.length, b.rejections.length, b.isLastOfShard])).toEqual([
    [4, 0, false],
    [0, 2, true],
  ]);
});

test('chunks larger than a batch are cut', async () => {
  const batches = await pack([[0, 7]], 7, 3, []);
  expect(batches.map((b) => [...b.pixels])).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
});
