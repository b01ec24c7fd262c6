import { expect, test } from 'vitest';
import { assignSplits, type SplitRequest } from '../../../src/pipeline/split/assign-splits.ts';

/** Rows of some classes; without groups and without a split before. */
function request(targets: readonly number[], more: Partial<SplitRequest> = {}): SplitRequest {
  const origins = targets.map((_, i) => `in/${String(i).padStart(5, '0')}.jpg`);
  return {
    shares: [80, 10, 10],
    seed: 7,
    origins,
    targets: Uint32Array.from(targets),
    classes: Math.max(...targets) + 1,
    groupOf: Uint32Array.from(targets, (_, i) => i),
    before: new Int8Array(targets.length).fill(-1),
    ...more,
  };
}

/** Rows of each split, by class. */
function counts({ shares, targets, classes }: SplitRequest, of: Uint8Array): number[][] {
  const found = Array.from({ length: classes }, () => shares.map(() => 0));
  targets.forEach((target, row) => {
    found[target][of[row]]++;
  });
  return found;
}

const CLASSES = Array.from({ length: 1000 }, (_, i) => (i < 700 ? 0 : i < 900 ? 1 : 2));

test('every class has the shares', () => {
  const wanted = request(CLASSES);
  expect(counts(wanted, assignSplits(wanted).of)).toEqual([
    [560, 70, 70],
    [160, 20, 20],
    [80, 10, 10],
  ]);
  const two = request(CLASSES, { shares: [75, 25] });
  expect(counts(two, assignSplits(two).of)).toEqual([
    [525, 175],
    [150, 50],
    [75, 25],
  ]);
});

test('classes of a few images are shared out so that the whole has the shares', () => {
  const wanted = request(Array.from({ length: 1000 }, (_, i) => i % 200));
  const { of } = assignSplits(wanted);
  const all = [0, 1, 2].map((split) => of.filter((one) => one === split).length);
  expect(all).toEqual([800, 100, 100]);
  expect(counts(wanted, of).every(([train]) => train === 4)).toBe(true);
});

test('the seed and the names decide, not the order of the rows', () => {
  const wanted = request(CLASSES);
  const { of } = assignSplits(wanted);
  const back = {
    ...wanted,
    origins: [...wanted.origins].reverse(),
    targets: wanted.targets.slice().reverse(),
  };
  expect(assignSplits(back).of.reverse()).toEqual(of);
  expect(assignSplits({ ...wanted, seed: 8 }).of).not.toEqual(of);
});

test('rows of one group are in one split, and the shares are kept by the others', () => {
  const groupOf = Uint32Array.from(CLASSES, (_, i) => (i < 600 ? i - (i % 6) : i));
  const wanted = request(CLASSES, { groupOf });
  const { of } = assignSplits(wanted);
  groupOf.forEach((first, row) => {
    expect(of[row]).toBe(of[first]);
  });
  expect(counts(wanted, of)).toEqual([
    [560, 70, 70],
    [160, 20, 20],
    [80, 10, 10],
  ]);
});

test('rows that had a split keep it, and new ones fill the shares', () => {
  const first = request(CLASSES.slice(0, 700));
  const { of } = assignSplits(first);
  const before = Int8Array.from(CLASSES, (_, i) => (i < 700 ? of[i] : -1));
  const later = request(CLASSES, { before });
  const again = assignSplits(later);
  expect([again.moved, again.of.slice(0, 700)]).toEqual([0, of]);
  expect(counts(later, again.of)[1]).toEqual([160, 20, 20]);
});

test('where a new row joins groups of two splits, the larger part stays', () => {
  const wanted = request([0, 0, 0, 0], {
    groupOf: Uint32Array.of(0, 0, 0, 0),
    before: Int8Array.of(2, 1, 2, -1),
  });
  expect(assignSplits(wanted)).toEqual({ of: Uint8Array.of(2, 2, 2, 2), moved: 1 });
});
