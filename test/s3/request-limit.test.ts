import { expect, test } from 'vitest';
import { RequestLimit } from '../../src/s3/request-limit.ts';

const never = new AbortController().signal;

test('requests over the limit wait for their turn, in order', async () => {
  const limit = new RequestLimit(2);
  const order: number[] = [];
  const waiting = [0, 1, 2, 3].map((n) => limit.enter(never).then(() => order.push(n)));
  await Promise.all(waiting.slice(0, 2));
  expect(order).toEqual([0, 1]);
  limit.leave();
  limit.leave();
  await Promise.all(waiting);
  expect(order).toEqual([0, 1, 2, 3]);
});

test('"slow down" halves the limit once for one burst, never below one', () => {
  const limit = new RequestLimit(64);
  for (const ms of [0, 10, 100]) limit.slowDown(ms);
  expect(limit.limit).toBe(32);
  for (let burst = 1; burst <= 8; burst++) limit.slowDown(1000 * burst);
  expect(limit.limit).toBe(1);
});

test('a round of successes raises the limit by about one, up to where it began', () => {
  const limit = new RequestLimit(4);
  limit.slowDown(0);
  for (let i = 0; i < 3; i++) limit.succeeded();
  expect(limit.limit).toBe(3);
  for (let i = 0; i < 100; i++) limit.succeeded();
  expect(limit.limit).toBe(4);
});

test('one that waits leaves the queue when the run is stopped', async () => {
  const limit = new RequestLimit(1);
  await limit.enter(never);
  const stop = new AbortController();
  const stopped = limit.enter(stop.signal);
  stop.abort(new Error('stopped'));
  await expect(stopped).rejects.toThrow('stopped');
  const next = limit.enter(never);
  limit.leave();
  await next;
});
