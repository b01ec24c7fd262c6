import { expect, test } from 'vitest';
import { nearestClasses, type Points } from '../../src/quality/nearest.ts';
import { linearProbe } from '../../src/quality/probe.ts';
import { samplePoints } from './sample.ts';

const { signal } = new AbortController();

/** Images on a line. */
function line(
  places: readonly number[],
  targets: readonly number[],
  foldOf: readonly number[],
): Points {
  return {
    values: Float64Array.from(places),
    dims: 1,
    views: 1,
    targets: Uint32Array.from(targets),
    classes: Math.max(...targets) + 1,
    foldOf: Int8Array.from(foldOf),
  };
}

async function nearest(points: Points): Promise<Record<string, number[]>> {
  const found = await nearestClasses(points, signal);
  return Object.fromEntries(
    found.map(({ neighbours, isAugmented, predicted }) => [
      `${neighbours}${isAugmented ? ' of all views' : ''}`,
      [...predicted],
    ]),
  );
}

test('the nearest image decides, or the most of five; of equal votes and equal distances the first', async () => {
  const trained = { places: [0, 1, 2, 10, 11, 12], targets: [0, 1, 1, 2, 2, 0] };
  const points = line(
    [...trained.places, 0.2, 6, 0.5],
    [...trained.targets, 0, 0, 0],
    [...Array(6).fill(-1), ...[0, 0, 0]],
  );
  expect(await nearest(points)).toEqual({
    // 6 is as far from 2 as from 10, 0.5 as far from 0 as from 1.
    1: [-1, -1, -1, -1, -1, -1, 0, 1, 0],
    // 0.2: classes 0, 1, 1, 2, 2; 6: 1, 1, 2, 2 and of 0 and 12, equally far, the one that was kept.
    5: [-1, -1, -1, -1, -1, -1, 1, 1, 1],
  });
});

test('by folds an image is not its own neighbour, nor are those of its fold', async () => {
  const places = [0, 0, 5, 5, 5.1, 0.1];
  expect(await nearest(line(places, [0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 2, 2]))).toEqual({
    1: [1, 0, 1, 0, 0, 0],
  });
});

test('with views the plain image is tested, and one of the trained views can be nearest', async () => {
  const points = {
    ...line([], [0, 1, 1], [-1, -1, 0]),
    values: Float64Array.of(0, 100, 20, 6, 7, 0),
    views: 2,
  };
  const found = await nearest(points);
  expect(found).toEqual({ 1: [-1, -1, 0], '1 of all views': [-1, -1, 1] });
});

test('a probe separates what a line separates, and knows no class that was not trained', async () => {
  const places = [0, 1, 2, 10, 11, 12, 1.5, 10.5, 3];
  const points = line(places, [0, 0, 0, 2, 2, 2, 0, 2, 1], [...Array(6).fill(-1), 0, 0, 0]);
  const { predicted, isConverged } = await linearProbe(points, false, 1000, signal);
  expect([isConverged, ...predicted]).toEqual([true, ...Array(6).fill(-1), 0, 2, 0]);
});

test('classes are found far better than by chance in many values, more than one block of rows, and with views', async () => {
  const points = samplePoints({ seed: 9, images: 700, dims: 601, classes: 9, views: 2 });
  const hits = (predicted: Int32Array) =>
    predicted.filter((taken, i) => taken === points.targets[i]).length / 700;
  const plain = await linearProbe(points, false, 1000, signal);
  const augmented = await linearProbe(points, true, 1000, signal);
  expect([plain.isConverged, augmented.isConverged]).toEqual([true, true]);
  expect(hits(plain.predicted)).toBeGreaterThan(0.95);
  expect(hits(augmented.predicted)).toBeGreaterThanOrEqual(hits(plain.predicted));
  for (const { predicted } of await nearestClasses(points, signal)) {
    expect(hits(predicted)).toBeGreaterThan(0.9);
  }
});
