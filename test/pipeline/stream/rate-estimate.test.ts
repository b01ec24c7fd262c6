import { expect, test } from 'vitest';
import { RateEstimate } from '../../../src/pipeline/stream/progress.ts';

/** [milliseconds, done] after each step, as runs on a busy machine of two cores told them; the start comes first. */
const RECORDED = {
  'VGG16 on a CPU': [
    [4854, 0],
    [20576, 16],
    [34689, 32],
    [48940, 48],
    [60645, 64],
    [72077, 80],
    [82983, 96],
  ],
  pixels: [
    [825, 0],
    [1729, 256],
    [1968, 512],
    [2214, 768],
    [2406, 1000],
  ],
} as const;

interface Told {
  readonly ms: number;
  readonly secondsLeft: number;
  readonly truth: number;
}

function replay(steps: readonly (readonly [number, number])[]): Told[] {
  const [[startMs, before], ...rest] = steps as [readonly [number, number]];
  const last = (rest as (readonly [number, number])[]).at(-1)!;
  const estimate = new RateEstimate(last[1], before, startMs);
  return (rest as (readonly [number, number])[]).map(([ms, done]) => ({
    ms,
    secondsLeft: estimate.update(done, ms).secondsLeft,
    truth: (last[0] - ms) / 1000,
  }));
}

/** Steps of `step` images, each taking what `msOf` says of the share that is done. */
function simulate(total: number, step: number, msOf: (share: number, i: number) => number) {
  const steps: [number, number][] = [[0, 0]];
  let ms = 0;
  for (let done = step, i = 0; done <= total; done += step, i++) {
    ms += msOf((done - step) / total, i);
    steps.push([ms, done]);
  }
  return steps;
}

/** Largest step of the estimate beyond the time that went by, in seconds. */
function largestJump(told: readonly Told[]): number {
  const jumps = told.slice(4).map(({ ms, secondsLeft }, i) => {
    const before = told[i + 3]!;
    return Math.abs(secondsLeft - (before.secondsLeft - (ms - before.ms) / 1000));
  });
  return Math.max(0, ...jumps);
}

test.each(Object.entries(RECORDED))(
  '%s: within a third of the truth from the second step on',
  (_, steps) => {
    for (const { secondsLeft, truth } of replay(steps).slice(1)) {
      expect(Math.abs(secondsLeft - truth)).toBeLessThan(0.35 * truth + 0.3);
    }
  },
);

test('a long start is not rate: 30 s to load and compile, then 10 images a second', () => {
  const told = replay(simulate(3000, 10, (_, i) => (i === 0 ? 30_000 : 1000)));
  // The first step alone cannot tell; the second can.
  expect(told[1]!.secondsLeft).toBeCloseTo(told[1]!.truth, 0);
  expect(told[100]!.secondsLeft).toBeCloseTo(told[100]!.truth, 0);
});

test('images that grow four times slower half way are noticed within a minute', () => {
  const told = replay(simulate(4000, 10, (share) => (share < 0.5 ? 250 : 1000)));
  const half = told.findIndex(({ ms }) => ms > 50_000);
  const minuteLater = told.find(({ ms }) => ms > told[half]!.ms + 60_000)!;
  expect(Math.abs(minuteLater.secondsLeft - minuteLater.truth)).toBeLessThan(
    0.05 * minuteLater.truth,
  );
  expect(largestJump(told)).toBeLessThan(0.15 * told[half]!.truth);
});

test('a stall of 20 s costs the estimate less than half as much again, and is forgotten', () => {
  const told = replay(simulate(12_000, 10, (_, i) => (i === 200 ? 20_000 : 500)));
  for (const { secondsLeft, truth } of told.slice(1)) {
    expect(Math.abs(secondsLeft - truth)).toBeLessThan(0.45 * truth + 1);
  }
  const later = told.find(({ ms }) => ms > 260_000)!;
  expect(Math.abs(later.secondsLeft - later.truth)).toBeLessThan(0.03 * later.truth);
});

test('steps that come in bursts do not make it jump', () => {
  const told = replay(simulate(6000, 10, (_, i) => (i % 8 === 0 ? 3800 : 29)));
  const fromFifth = told.slice(40);
  expect(largestJump(fromFifth)).toBeLessThan(0.1 * fromFifth[0]!.truth);
  for (const { secondsLeft, truth } of fromFifth) {
    expect(Math.abs(secondsLeft - truth)).toBeLessThan(0.2 * truth + 4);
  }
});

test('what an earlier attempt did is not counted as speed', () => {
  const estimate = new RateEstimate(2000, 1000, 0);
  estimate.update(1010, 1000);
  expect(estimate.update(1020, 2000).perSecond).toBeCloseTo(10);
});

test('at the end nothing is left', () => {
  const estimate = new RateEstimate(10, 0, 0);
  expect(estimate.update(10, 0).secondsLeft).toBe(0);
});

test('a burst of steps is no rate: what was decoded ahead is done at once', () => {
  const estimate = new RateEstimate(5000, 4000, 0);
  estimate.update(4256, 1000);
  expect(estimate.update(4512, 1004).perSecond).toBeCloseTo(512 / 1.004, 0);
});
