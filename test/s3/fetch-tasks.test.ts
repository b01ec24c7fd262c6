import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DecodeError } from '../../src/image/decode-error.ts';
import type { DecodedChunk, DecodeTask } from '../../src/image/decoded-chunk.ts';
import { chunkRanges, FetchedChunks } from '../../src/pipeline/stream/decode-entries.ts';
import type { Source, SourceEntry } from '../../src/source/source.ts';

const never = new AbortController().signal;

/** A source of images of the given sizes; image 3 is gone. Tells how much was on its way at once. */
function fakeSource(sizes: readonly number[]) {
  const seen = { reads: 0, inFlight: 0, mostInFlight: 0, ahead: 0, mostAhead: 0 };
  const entries = {
    entry: (index: number): SourceEntry => ({
      origin: `s3://b/${index}.jpg`,
      target: 'b',
      location: String(index),
      size: sizes[index]!,
      version: 'x',
    }),
  };
  const source: Source = {
    input: 's3://b',
    isLocal: false,
    async *list() {},
    async read({ location, size }) {
      seen.reads++;
      seen.inFlight++;
      seen.ahead += size;
      seen.mostInFlight = Math.max(seen.mostInFlight, seen.inFlight);
      seen.mostAhead = Math.max(seen.mostAhead, seen.ahead);
      // Later ones are ready sooner: order must not come from timing.
      await delay(Math.max(1, 20 - Number(location)));
      seen.inFlight--;
      if (location === '3') throw new DecodeError('vanished', 'gone');
      return new Uint8Array([Number(location)]);
    },
  };
  return { source, entries, seen };
}

function chunkOf(tasks: readonly DecodeTask[]): DecodedChunk {
  const indices = tasks.map(({ index }) => index);
  const timing = { readMs: 0, decodeMs: 0, resizeMs: 0 };
  return { indices, pixels: new Uint8Array(0), sizes: [], rejections: [], timing };
}

test('bodies come in manifest order whatever came first, and missing images become rejections', async () => {
  const { source, entries, seen } = fakeSource(Array(10).fill(10));
  const fetched = new FetchedChunks({ source, entries, maxPixels: 1e6 });
  const ranges = chunkRanges([{ id: 0, start: 0, end: 10 }], 4);
  const bodies: number[] = [];
  async function* decoded() {
    for await (const tasks of fetched.tasks(ranges, never)) {
      for (const { index, bytes } of tasks) expect(bytes).toEqual(new Uint8Array([index]));
      bodies.push(tasks.length);
      yield chunkOf(tasks);
    }
  }
  const rejections: (readonly { index: number; reason: string }[])[] = [];
  for await (const chunk of fetched.complete(decoded())) rejections.push(chunk.rejections);
  expect(bodies).toEqual([3, 4, 2]);
  expect(rejections).toEqual([[{ index: 3, reason: 'vanished', message: 'gone' }], [], []]);
  expect(seen.mostInFlight).toBe(10);
});

test('what is ahead is bounded in bytes and in images; one image above the bound goes alone', async () => {
  const { source, entries, seen } = fakeSource([40, 40, 40, 500, 40, 40, 40, 40]);
  const lookAhead = { images: 3, bytes: 100 };
  const fetched = new FetchedChunks({ source, entries, maxPixels: 1e6, lookAhead });
  const ranges = chunkRanges([{ id: 0, start: 0, end: 8 }], 1);
  let count = 0;
  for await (const tasks of fetched.tasks(ranges, never)) {
    for (const { index } of tasks) seen.ahead -= entries.entry(index).size;
    if (tasks.length === 0) seen.ahead -= 500;
    count++;
  }
  expect(count).toBe(8);
  expect(seen.mostAhead).toBe(500);
  expect(seen.mostInFlight).toBe(2);
});

test('an object larger than any image may be is rejected unread', async () => {
  const { source, entries, seen } = fakeSource([1e9]);
  const fetched = new FetchedChunks({ source, entries, maxPixels: 1e6 });
  const ranges = chunkRanges([{ id: 0, start: 0, end: 1 }], 16);
  const decoded = (async function* () {
    for await (const tasks of fetched.tasks(ranges, never)) yield chunkOf(tasks);
  })();
  for await (const { rejections } of fetched.complete(decoded)) {
    expect(rejections.map(({ reason }) => reason)).toEqual(['too_many_pixels']);
  }
  expect(seen.reads).toBe(0);
});

test('a consumer that stops ends what is on its way', async () => {
  const { source, entries, seen } = fakeSource(Array(50).fill(1));
  const fetched = new FetchedChunks({ source, entries, maxPixels: 1e6 });
  for await (const tasks of fetched.tasks(chunkRanges([{ id: 0, start: 0, end: 50 }], 2), never)) {
    expect(tasks).toHaveLength(2);
    break;
  }
  expect(seen.inFlight).toBe(0);
});

test('chunks of fetched images are cut by bytes too', () => {
  const sizes = [5, 5, 5, 30, 5, 5];
  const bytes = { most: 10, sizeOf: (index: number) => sizes[index]! };
  const ranges = chunkRanges([{ id: 0, start: 0, end: 6 }], 4, bytes);
  expect(ranges.map(({ start, end, isLastOfShard }) => [start, end, isLastOfShard])).toEqual([
    [0, 2, false],
    [2, 3, false],
    [3, 4, false],
    [4, 6, true],
  ]);
});
