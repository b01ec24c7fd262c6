import { expect, test } from 'vitest';
import type { RunRows } from '../../src/findings/collect-rows.ts';
import { measureQuality, type QualityInput } from '../../src/quality/measure-quality.ts';
import type { QualityFigure } from '../../src/quality/read-figures.ts';
import { numbers } from './sample.ts';

const VIEWS = 2;

/**
 * 3 classes of 30 images, the last ten of each tested. Of `good` each class has a place of its own, of `poor` all are alike; the view beside the
 * plain image is noise.
 */
function input(change: Partial<QualityInput> = {}): QualityInput {
  const next = numbers(3);
  const images = Array.from({ length: 90 }, (_, i) => ({
    of: Math.floor(i / 30),
    part: i % 30 < 20,
  }));
  const rowsOf = (distance: number, views = 1): RunRows => {
    const dims = 4;
    const vectors = Float32Array.from(
      images.flatMap(({ of }) =>
        Array.from({ length: views * dims }, (_, j) => (j === of ? distance : 0) + next()),
      ),
    );
    const count = images.length * views;
    return {
      ...{ count, views, dims, k: 0 },
      async *batches() {
        for (let row = 0; row < count; row += 7) {
          const n = Math.min(7, count - row);
          const values = vectors.subarray(row * dims, (row + n) * dims);
          yield { n, origins: [], targets: [], vectors: values, reduced: new Float64Array(0) };
        }
      },
    };
  };
  return {
    rows: {
      count: images.length,
      origins: images.map((_, i) => `${i}.png`),
      targets: Uint32Array.from(images, ({ of }) => of),
      classes: ['b', 'a', 'c'],
      splits: images.map(({ part }) => (part ? 'train' : 'test')),
    },
    ownCount: images.length,
    layers: [
      { label: 'poor', rows: rowsOf(0.2, VIEWS), reducer: undefined },
      { label: 'good', rows: rowsOf(3, VIEWS), reducer: undefined },
    ],
    known: {
      copies: { equalVectors: [], groups: [] },
      pairs: [],
    },
    budgetMs: undefined,
    signal: new AbortController().signal,
    ...change,
  };
}

async function measured(change?: Partial<QualityInput>) {
  const found = await measureQuality(input(change));
  if (typeof found === 'string') throw new Error(found);
  return found;
}

test('each layer has the figures of neighbours and probe, plain and by all views; the best layer is named', async () => {
  const { quality } = await measured();
  expect(quality).toMatchObject({
    by: 'split',
    train: 'train',
    test: 'test',
    images: 90,
    classes: 3,
  });
  const kind = ({ layer, method, neighbours = 0, views }: QualityFigure) =>
    `${layer} ${method}${neighbours || ''} ${views}`;
  expect(quality.figures.map(kind)).toEqual(
    ['poor', 'good'].flatMap((layer) => [
      ...[`${layer} nearest1 plain`, `${layer} nearest5 plain`],
      ...[`${layer} nearest1 all`, `${layer} nearest5 all`],
      ...[`${layer} probe plain`, `${layer} probe all`],
    ]),
  );
  for (const { layer, tested, correct, accuracy, trained } of quality.figures) {
    expect([trained, tested, accuracy]).toEqual([60, 30, correct / 30]);
    expect(correct).toSatisfy((n: number) => (layer === 'good' ? n === 30 : n < 25));
  }
  expect(quality.best).toEqual({ layer: 'good', isClear: true });
  expect(kind(quality.figures[quality.headline]!)).toBe('good probe plain');
});

test('classes are counted by the headline, with the rows of images mixed up, in the order of their names', async () => {
  const { layers } = input();
  const { quality, mixedUp, classes } = await measured({ layers: [layers[0]!] });
  expect(classes).toEqual(['a', 'b', 'c']);
  expect(mixedUp.reduce((sum, { images }) => sum + images, 0)).toBe(30);
  const right = mixedUp.filter(({ target, taken }) => target === taken);
  expect(right.reduce((sum, { images }) => sum + images, 0)).toBe(
    quality.figures[quality.headline]!.correct,
  );
  const wrong = mixedUp.filter(({ target, taken }) => target !== taken);
  expect(quality.mixedUp).toEqual(wrong.map(({ rows: _, ...pair }) => pair));
  // Rows 0 … 29 are of class b, the second by name.
  for (const { target, rows } of wrong) {
    for (const row of rows) expect([1, 0, 2][Math.floor(row / 30)]).toBe(target);
  }
});

test('the figures without copies leave out tested images that have one among those trained on', async () => {
  const known = {
    copies: {
      equalVectors: [],
      groups: [{ rows: [0, 25, 26], match: 'same_bytes' as const }],
    },
    // 55 and 56 are both tested: no leak.
    pairs: [
      { a: 3, b: 85, distance: 0.1 },
      { a: 55, b: 56, distance: 0.1 },
    ],
  };
  const { quality } = await measured({ known });
  expect(quality.copied).toBe(3);
  const good = quality.figures.filter(({ layer }) => layer === 'good');
  for (const { withoutCopies } of good) {
    expect(withoutCopies).toEqual({ tested: 27, correct: 27, accuracy: 1 });
  }
});

test('without time nothing is measured, and the same rows give the same result', async () => {
  expect(await measureQuality(input({ budgetMs: 0 }))).toMatch('too short');
  expect(await measured()).toEqual(await measured());
});
