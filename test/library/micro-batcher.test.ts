import { expect, test } from 'vitest';
import { MicroBatcher } from '../../src/library/micro-batcher.ts';

/** A network of one value an image, its first byte; `answer` lets the oldest batch finish. */
function slowNetwork(batchSize: number) {
  const open: (() => void)[] = [];
  const batches: number[][] = [];
  const extractor = {
    batchSize,
    inFlight: 2,
    outputs: [{ layer: 'first', pool: 'none' as const, length: 1 }],
    run(pixels: Uint8Array, n: number): Promise<Float32Array[]> {
      expect(pixels.length).toBe(n * 2);
      const firsts = Float32Array.from({ length: n }, (_, i) => pixels[2 * i]!);
      batches.push([...firsts]);
      return new Promise((resolve) => open.push(() => resolve([firsts])));
    },
  };
  const answer = async () => {
    open.shift()!();
    await new Promise(setImmediate);
  };
  return { batcher: new MicroBatcher(extractor, 2), batches, answer };
}

const never = new AbortController().signal;
/** Images of two bytes that start with these values. */
const images = (...firsts: number[]) => Uint8Array.from(firsts.flatMap((first) => [first, 0]));
const values = (vectors: Float32Array[][]) => vectors.map(([vector]) => vector![0]);

test('what comes while the network works makes the next batch', async () => {
  const { batcher, batches, answer } = slowNetwork(4);
  const calls = [1, 2, 3].map((first) => batcher.run(images(first), 1, never));
  expect(batches).toEqual([[1]]);
  await answer();
  expect(batches).toEqual([[1], [2, 3]]);
  await answer();
  expect((await Promise.all(calls)).map(values)).toEqual([[1], [2], [3]]);
});

test('a full batch is sent along with the one at work, and a call may span batches', async () => {
  const { batcher, batches, answer } = slowNetwork(2);
  const call = batcher.run(images(1, 2, 3, 4, 5), 5, never);
  expect(batches).toEqual([
    [1, 2],
    [3, 4],
  ]);
  await answer();
  expect(batches).toHaveLength(2);
  await answer();
  await answer();
  expect(batches[2]).toEqual([5]);
  expect(values(await call)).toEqual([1, 2, 3, 4, 5]);
});

test('a call that is stopped ends at once, and its waiting images are not computed', async () => {
  const { batcher, batches, answer } = slowNetwork(2);
  const first = batcher.run(images(1), 1, never);
  const stop = new AbortController();
  const stopped = batcher.run(images(2), 1, stop.signal);
  const last = batcher.run(images(3), 1, never);
  // The second batch is full, so it is at work already; images 4 and 5 wait.
  const waiting = batcher.run(images(4, 5), 2, stop.signal);
  stop.abort(new Error('enough'));
  await expect(stopped).rejects.toThrow('enough');
  await expect(waiting).rejects.toThrow('enough');
  await answer();
  await answer();
  expect(values(await first)).toEqual([1]);
  expect(values(await last)).toEqual([3]);
  expect(batches).toEqual([[1], [2, 3]]);
});

test('a failing network is heard by every call of that batch, and by no other', async () => {
  let runs = 0;
  const batcher = new MicroBatcher(
    {
      batchSize: 2,
      inFlight: 2,
      outputs: [{ layer: 'first', pool: 'none', length: 1 }],
      run: async (_, n) => {
        await new Promise(setImmediate);
        if (runs++ === 0) throw new Error('out of memory');
        return [new Float32Array(n)];
      },
    },
    2,
  );
  const failing = batcher.run(images(1), 1, never);
  const later = batcher.run(images(2), 1, never);
  await expect(failing).rejects.toThrow('out of memory');
  expect(values(await later)).toEqual([0]);
});
