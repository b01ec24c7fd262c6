import { expect, test } from 'vitest';
import type { ProgressEvent, RunEvent } from '../../../src/events.ts';
import { Progress } from '../../../src/pipeline/stream/progress.ts';

test('what is decoded is told between batches, a few times a second at most', () => {
  const told: ProgressEvent[] = [];
  const clock = { ms: 0 };
  const progress = new Progress({
    ...{ total: 100, done: 20, rejected: 0, unusable: 0, maxBad: { percent: 100 } },
    onEvent: (event: RunEvent) => told.push(event as ProgressEvent),
    now: () => clock.ms,
  });
  const at = (ms: number, work: () => void) => {
    clock.ms = ms;
    work();
  };
  at(1000, () => progress.addDecoded(10));
  at(1001, () => progress.addDecoded(10));
  at(1300, () => progress.addDecoded(10));
  at(2000, () => progress.advance(30, 0));
  at(3000, () => progress.addDecoded(10));
  expect(told.map(({ done, decoded }) => [done, decoded])).toEqual([
    [20, 30],
    [20, 50],
    [50, 50],
    [50, 60],
  ]);
  expect(told.map(({ secondsLeft }) => secondsLeft)).toEqual([null, null, 50 / 15, 50 / 15 - 1]);
  expect(told.map(({ imagesPerSecond }) => imagesPerSecond)).toEqual([0, 0, 15, 15]);
});

test('the share of --max-bad is of all that was found, what the listing rejected included', () => {
  const start = (percent: number) =>
    new Progress({
      ...{ total: 2, done: 0, rejected: 0, unusable: 3, maxBad: { percent } },
      onEvent: () => {},
    });
  expect(() => start(100).advance(0, 2)).not.toThrow();
  expect(() => start(80).advance(1, 1)).not.toThrow();
  expect(() => start(50)).toThrow(
    'Expected at most 2 bad images (--max-bad) but found 3 among the first 3 of 5.',
  );
});

test('an image with views is done when all its rows are', () => {
  const done: number[] = [];
  const progress = new Progress({
    ...{ total: 4, done: 1, rejected: 0, unusable: 0, views: 3, maxBad: { percent: 100 } },
    onEvent: (event: RunEvent) => done.push((event as ProgressEvent).done),
  });
  for (const rows of [2, 2, 2]) progress.advance(rows, 0);
  progress.advance(0, 1);
  expect(done).toEqual([1, 2, 3, 4]);
});
