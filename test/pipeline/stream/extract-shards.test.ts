import { expect, test } from 'vitest';
import type { DecodePool } from '../../../src/image/pool/decode-pool.ts';
import type { Run } from '../../../src/pipeline/run.ts';
import { extractShards, ShardBuilder } from '../../../src/pipeline/stream/extract-shards.ts';

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

/** Three shards of two images, on an extractor that answers with the image's number; `write` is the disk. */
function runOf(write: (id: number) => Promise<void>) {
  const computed: number[] = [];
  const shards = [0, 1, 2].map((id) => ({ id, start: 2 * id, end: 2 * id + 2 }));
  const pool = {
    imageBytes: 3,
    views: 1,
    recycle: () => {},
    async *decode(chunks: Iterable<readonly { index: number }[]>) {
      for (const tasks of chunks) {
        const indices = tasks.map(({ index }) => index);
        const pixels = Uint8Array.from(indices.flatMap((index) => [index, 0, 0]));
        const timing = { readMs: 0, decodeMs: 0, resizeMs: 0 };
        yield { indices, pixels, sizes: [], rejections: [], timing };
      }
    },
  };
  const run = {
    options: { maxPixels: 50 },
    source: { isLocal: true },
    manifest: { entry: (index: number) => ({ origin: `${index}.jpg`, location: `${index}.jpg` }) },
    store: {
      plan: { shards, views: 1 },
      shard: (id: number) => shards[id],
      isCommitted: () => false,
      writeShard: (id: number) => write(id),
    },
    extractor: {
      inputSize: [1, 1],
      outputs: [{ layer: 'a', pool: 'none', length: 1 }],
      batchSize: 2,
      inFlight: 1,
      run: async (pixels: Uint8Array, n: number) => {
        computed.push(pixels[0]!);
        return [Float32Array.from({ length: n }, (_, i) => pixels[3 * i]!)];
      },
    },
    fitting: { addShard: async () => {} },
    progress: { advance: () => {}, addDecoded: () => {} },
    clock: { add: () => {} },
    signal: new AbortController().signal,
    onEvent: () => {},
  };
  const start = () => extractShards(run as unknown as Run, pool as unknown as DecodePool);
  return { computed, start };
}

test('the next shard is computed while one is written', async () => {
  let wake = () => {};
  const secondIsComputed = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const written: number[] = [];
  const { computed, start } = runOf(async (id) => {
    // A loop that waits for the first write would never compute the second shard.
    if (id === 0) await secondIsComputed;
    written.push(id);
  });
  const watch = setInterval(() => computed.length >= 2 && wake(), 1);
  await start().finally(() => clearInterval(watch));
  expect(computed).toEqual([0, 2, 4]);
  expect(written).toEqual([0, 1, 2]);
});

test('a write that fails stops the run, and a write in work is waited for', async () => {
  let isSettled = false;
  const failing = runOf(async (id) => {
    if (id === 1) throw new Error('disk full');
  });
  await expect(failing.start()).rejects.toThrow('disk full');
  const slow = runOf(async (id) => {
    if (id === 2) throw new Error('disk full');
    await new Promise((resolve) => setTimeout(resolve, 5));
    isSettled = id === 1;
  });
  await expect(slow.start()).rejects.toThrow('disk full');
  expect(isSettled).toBe(true);
});
