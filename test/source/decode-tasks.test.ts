import { expect, test } from 'vitest';
import { DecodeError } from '../../src/image/decode-error.ts';
import type { DecodeTask } from '../../src/image/decoded-chunk.ts';
import { fetchAhead, toTask } from '../../src/source/decode-tasks.ts';

const signal = new AbortController().signal;
const lookAhead = { images: 100, bytes: 40 };

/** Chunks of images whose sizes nobody has listed, ten bytes each; tells which were asked for. */
function unlisted(chunks: readonly (readonly number[])[]) {
  const asked: number[] = [];
  const task = (index: number): DecodeTask => {
    const fetch = async () => {
      asked.push(index);
      return new Uint8Array(10).fill(index);
    };
    return { index, fetch };
  };
  return { asked, chunks: chunks.map((indices) => indices.map(task)) };
}

test('where sizes are not known one chunk goes first alone, and stands for the next ones', async () => {
  const { asked, chunks } = unlisted([[0, 1], [2, 3], [4, 5], [6]]);
  const askedBefore: number[] = [];
  for await (const { tasks } of fetchAhead(chunks, { maxPixels: 1e6, lookAhead, signal })) {
    askedBefore.push(asked.length);
    for (const { index, bytes } of tasks) expect(bytes).toEqual(new Uint8Array(10).fill(index));
  }
  // 40 bytes are four images of ten.
  expect(askedBefore).toEqual([2, 6, 7, 7]);
});

test('chunks that threads read themselves are neither held back nor passed before others', async () => {
  const { asked, chunks } = unlisted([[0], [2]]);
  const local = [{ index: 1, path: '/a.jpg' }];
  const mixed = [chunks[0]!, local, chunks[1]!];
  const order: number[] = [];
  for await (const { tasks } of fetchAhead(mixed, { maxPixels: 1e6, lookAhead, signal })) {
    order.push(...tasks.map(({ index }) => index));
    if (tasks[0] === local[0]) expect(asked).toEqual([0]);
  }
  expect(order).toEqual([0, 1, 2]);
});

test('a store that fails ends all that is on its way', async () => {
  const ended: number[] = [];
  const waiting = (index: number): DecodeTask => ({
    index,
    fetch: (stop) =>
      new Promise((_, reject) => {
        stop!.addEventListener('abort', () => {
          ended.push(index);
          reject(stop!.reason);
        });
      }),
  });
  const failing = { index: 0, fetch: () => Promise.reject(new Error('the store fails')) };
  const fetched = fetchAhead([[failing, waiting(1)]], { maxPixels: 1e6, signal });
  await expect(fetched.next()).rejects.toThrow('the store fails');
  expect(ended).toEqual([1]);
});

test('an image that is gone is a rejection, and a listed file is told from one whose listing is unknown', async () => {
  const entry = { origin: 'a', target: '', location: '/a.jpg', size: 3, version: '5' };
  const read = async () => {
    throw new DecodeError('vanished', 'gone');
  };
  const remote = toTask(7, entry, { isLocal: false, read }, signal);
  const chunks = fetchAhead([[remote]], { maxPixels: 1e6, signal });
  expect((await chunks.next()).value).toEqual({
    tasks: [],
    rejections: [{ index: 7, reason: 'vanished', message: 'gone' }],
  });
  const local = { isLocal: true, read };
  expect(toTask(7, entry, local, signal)).toEqual({
    index: 7,
    path: '/a.jpg',
    listed: { size: 3, version: '5' },
  });
  const guessed = { ...entry, version: '' };
  expect(toTask(7, guessed, local, signal)).toEqual({ index: 7, path: '/a.jpg' });
});
