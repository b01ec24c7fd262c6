import { expect, test } from 'vitest';
import { expectedMs, planFigures } from '../../src/quality/plan.ts';
import { chooseSides, sampleOrder } from '../../src/quality/sides.ts';

/** Sides of images named `<folder>/…/<class>/<file>`; `split` is the column of that name. */
function sidesOf(origins: readonly string[], splits?: readonly string[]) {
  const names = origins.map((origin) => origin.split('/').at(-2) ?? '');
  const classes = [...new Set(names)];
  const targets = Uint32Array.from(names, (name) => classes.indexOf(name));
  return chooseSides({ origins, targets, classes, splits });
}

function files(folder: string, n: number): string[] {
  return Array.from({ length: n }, (_, i) => `${folder}/${i}.png`);
}

test('folds take the images of each class in the order of the table; a class too small for them is left out', () => {
  const sides = sidesOf([...files('b', 6), ...files('a', 5), ...files('rare', 4)]);
  expect(sides).toMatchObject({
    by: 'folds',
    classes: ['a', 'b', 'rare'],
    unused: { otherParts: 0, noClass: 0, rare: 4 },
  });
  expect([...(sides as { foldOf: Int8Array }).foldOf]).toEqual([
    ...[0, 0, 1, 2, 3, 4],
    ...[0, 1, 2, 3, 4],
    ...[-2, -2, -2, -2],
  ]);
});

test('a split is train and test, by its column or by folders; validation counts where there is no test', () => {
  const origins = ['Training/a/1', 'Training/b/1', 'Test/a/1', 'val/b/1', 'x/b/2'];
  const foldsOf = (...given: Parameters<typeof sidesOf>) => {
    const sides = sidesOf(...given);
    return typeof sides === 'string' ? sides : [sides.train, sides.test, ...sides.foldOf];
  };
  expect(foldsOf(origins)).toEqual(['Training', 'Test', -1, -1, 0, -2, -2]);
  expect(foldsOf(origins, ['val', 'train', 'train', 'val', ''])).toEqual([
    ...['train', 'val'],
    ...[0, -1, -1, 0, -2],
  ]);
});

test('where there is nothing to measure a sentence says why', () => {
  expect([
    sidesOf([]),
    sidesOf(['1.png', '2.png']),
    sidesOf(files('a', 9)),
    sidesOf([...files('a', 4), ...files('b', 3)]),
    sidesOf([...files('a', 9), ...files('b', 3)]),
    sidesOf(['train/a/1', 'train/a/2', 'test/a/1', 'test/b/1']),
    sidesOf(['train/a/1', 'train/b/2', '3'], ['train', 'train', 'test']),
  ]).toEqual([
    'the table has no rows',
    'the images have no classes',
    'the images to train on are of one class',
    'each class has fewer than 5 images, and there is no split',
    'only one class has 5 images or more, and there is no split',
    'the images to train on are of one class',
    'the part to test has no images with a class',
  ]);
});

test('any beginning of the sample has all classes and parts in their shares', () => {
  const sides = sidesOf([
    ...files('train/a', 60),
    ...files('train/b', 20),
    ...files('test/a', 12),
    ...files('test/b', 4),
  ]);
  if (typeof sides === 'string') throw new Error(sides);
  const order = sampleOrder(sides);
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 96 }, (_, i) => i));
  const countsOf = (n: number) => {
    const counts = [0, 0, 0, 0];
    for (const row of order.subarray(0, n))
      counts[row < 60 ? 0 : row < 80 ? 1 : row < 92 ? 2 : 3]!++;
    return counts;
  };
  expect([countsOf(24), countsOf(48)]).toEqual([
    [15, 5, 3, 1],
    [30, 10, 6, 2],
  ]);
});

test('a probe of few images may take more steps than usual, within its share of the time', () => {
  const limitOf = (budgetMs: number | undefined) =>
    planFigures({
      ...{ images: 300, by: 'split', trainShare: 0.8, classes: 10, views: 1, rows: 300 },
      ...{ layers: [{ dims: 512, k: 0 }], budgetMs },
    } as const)[3]!.mostPasses;
  expect([limitOf(150), limitOf(undefined)]).toEqual([450, 20_000]);
  expect(limitOf(3000)).toBeGreaterThan(2000);
  expect(limitOf(3000)).toBeLessThan(8000);
});

test('what is measured follows from counts alone: all of little, a sample of much, nothing without time', () => {
  const plan = (images: number, budgetMs: number | undefined, dims = 512) =>
    planFigures({
      ...{ images, by: 'split', trainShare: 0.8, classes: 10, views: 1, rows: images },
      ...{ layers: [{ dims, k: 10 }], budgetMs },
    } as const).map((figure) => figure.images);
  expect(plan(1000, 1e6)).toEqual([1000, 1000, 1000, 1000]);
  expect(plan(90_000, undefined)).toEqual([30_000, 30_000, 30_000, 30_000]);
  // 512 MiB hold the vectors of fewer images.
  expect(plan(90_000, undefined, 25_088)[3]).toBe(763);
  const [nearest, probe] = plan(90_000, 400);
  expect(nearest).toBeGreaterThan(probe!);
  expect(probe).toBeGreaterThan(200);
  expect(plan(1000, 0)).toEqual([0, 0, 0, 0]);
  expect(expectedMs(1000, { mode: 'vgg16', device: 'cpu', architecture: 'vgg16' })).toBe(62_000);
});
