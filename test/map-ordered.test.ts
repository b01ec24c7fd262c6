import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { mapOrdered } from '../src/map-ordered.ts';

async function* count(n: number): AsyncGenerator<number> {
  for (let i = 0; i < n; i++) yield i;
}

test('results keep the order of the items and the bound is held', async () => {
  let running = 0;
  let most = 0;
  const results: number[] = [];
  const work = async (i: number) => {
    running += 1;
    most = Math.max(most, running);
    await sleep((5 - i) * 4);
    running -= 1;
    return i * 10;
  };
  for await (const result of mapOrdered(count(5), 2, work)) results.push(result);
  expect(results).toEqual([0, 10, 20, 30, 40]);
  expect(most).toBe(2);
});

test('a failure comes in its turn, after earlier results', async () => {
  const results: number[] = [];
  const run = async () => {
    const work = async (i: number) => {
      if (i === 1) throw new Error('item 1');
      return i;
    };
    for await (const result of mapOrdered(count(4), 3, work)) results.push(result);
  };
  await expect(run()).rejects.toThrow('item 1');
  expect(results).toEqual([0]);
});
