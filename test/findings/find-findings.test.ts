import { expect, test } from 'vitest';
import { countFindings, findingsLines } from '../../src/findings/find-findings.ts';
import { defaultNear } from '../../src/findings/finding.ts';
import { farVector, findIn, type SampleImage } from './sample.ts';

const shift = (vector: readonly number[], by: number) =>
  vector.map((x, i) => (i === 0 ? x + by : x));

/** Twelve images that have nothing to do with each other. */
const FAR: SampleImage[] = Array.from({ length: 12 }, (_, i) => ({
  origin: `data/${i % 2 === 0 ? 'apple' : 'pear'}/${String(i).padStart(2, '0')}.jpg`,
  vector: farVector(i),
  body: `image ${i}`,
}));

test('images that have nothing in common give no finding', async () => {
  expect((await findIn(FAR)).findings).toEqual([]);
});

test('equal bytes are an exact duplicate, with their hash and size', async () => {
  const copy = { ...FAR[0]!, origin: 'data/apple/copy.jpg' };
  expect((await findIn([...FAR, copy])).findings).toEqual([
    {
      kind: 'exact_duplicate',
      origins: ['data/apple/00.jpg', 'data/apple/copy.jpg'],
      classes: ['apple', 'apple'],
      images: 2,
      evidence: {
        // of "image 0"
        sha256: 'cc88f6acf10ba9e488201201e9067fd63fc23aeb64fcf686578e6d900fceeef6',
        bytes: 7,
      },
      threshold: null,
    },
  ]);
});

test('findings of a run with views are those of its plain images', async () => {
  const near = { origin: 'data/pear/near.jpg', vector: shift(FAR[0]!.vector, 2) };
  const images = [...FAR, { ...FAR[3]!, origin: 'data/apple/copy.jpg' }, near];
  const plain = await findIn(images, { near: 0.1 });
  expect(plain.findings.map(({ kind }) => kind)).toContain('near_duplicate');
  expect(await findIn(images, { near: 0.1, views: 3 })).toEqual(plain);
});

test('equal bytes are an exact duplicate though the last bits of their vectors differ', async () => {
  // As from a network, whose last bits depend on the shape of a batch.
  const bit = 2 ** -15;
  const copy = (name: string, by: number, body = 'image 0') => {
    return { origin: `data/apple/${name}.jpg`, vector: shift(FAR[0]!.vector, by), body };
  };
  const images = [
    ...FAR,
    copy('x', 0),
    copy('y', bit),
    copy('z', 2 * bit),
    copy('other', 3 * bit, 'o'),
  ];
  for (const near of [0.02, 0]) {
    const { findings } = await findIn(images, { near });
    const ofNear = near > 0 ? ['near_duplicate 4'] : [];
    expect(findings.map(({ kind, images }) => `${kind} ${images}`)).toEqual([
      'exact_duplicate 4',
      ...ofNear,
    ]);
    expect(findings[0]!.origins).not.toContain('data/apple/other.jpg');
  }
});

test('an exact copy with other last bits is a leak and two classes by its bytes', async () => {
  const images = FAR.map((image) => ({
    ...image,
    origin: image.origin.replace('data', 'Training'),
  }));
  const leaked = {
    origin: 'Test/pear/leaked.jpg',
    vector: shift(FAR[4]!.vector, 2 ** -15),
    body: 'image 4',
  };
  const { findings } = await findIn([leaked, ...images]);
  expect(findings.map(({ kind, evidence }) => [kind, evidence.match])).toEqual([
    ['leak', 'same_bytes'],
    ['two_classes', 'same_bytes'],
    ['exact_duplicate', undefined],
  ]);
});

test('equal vectors of different bytes have the same features', async () => {
  const twin = { ...FAR[0]!, origin: 'data/apple/twin.jpg', body: 'recoded' };
  const { findings } = await findIn([...FAR, twin]);
  expect(findings).toMatchObject([
    { kind: 'same_features', images: 2, evidence: { distance: 0, bytes: 'bytes differ' } },
  ]);
});

test('equal vectors whose bytes cannot be read are not called exact', async () => {
  const gone = { origin: 'data/apple/gone.jpg', vector: FAR[0]!.vector };
  const { findings } = await findIn([...FAR, gone]);
  expect(findings).toMatchObject([
    { kind: 'same_features', evidence: { bytes: 'not all could be read' } },
  ]);
});

test('only so many images are read again', async () => {
  const copy = { ...FAR[0]!, origin: 'data/apple/copy.jpg' };
  const { findings } = await findIn([...FAR, copy], { limit: 1 });
  expect(findings.map(({ kind }) => kind)).toEqual(['same_features']);
});

test('a set of equal vectors can hold two pairs of equal bytes', async () => {
  const of = (name: string, body: string) => ({ ...FAR[0]!, origin: `data/apple/${name}`, body });
  const { findings } = await findIn([...FAR, of('x', 'image 0'), of('y', 'b'), of('z', 'b')]);
  expect(findings.map(({ kind, images }) => `${kind} ${images}`)).toEqual([
    'exact_duplicate 2',
    'exact_duplicate 2',
    'same_features 4',
  ]);
});

test('vectors within the threshold are near duplicates, linked to one set', async () => {
  const first = { origin: 'data/apple/a1.jpg', vector: shift(FAR[0]!.vector, 2), body: 'a1' };
  const second = { origin: 'data/apple/a2.jpg', vector: shift(FAR[0]!.vector, 4), body: 'a2' };
  const { findings } = await findIn([...FAR, first, second], { near: 0.01 });
  expect(findings).toMatchObject([
    {
      kind: 'near_duplicate',
      origins: ['data/apple/00.jpg', 'data/apple/a1.jpg', 'data/apple/a2.jpg'],
      images: 3,
      evidence: { pairs: 2 },
      threshold: 0.01,
    },
  ]);
});

test('distances are shares of that of two random images', async () => {
  const moved = { origin: 'data/apple/a1.jpg', vector: shift(FAR[0]!.vector, 2), body: 'a1' };
  const images = [...FAR, moved];
  const { findings } = await findIn(images);
  let squares = 0;
  for (const a of images) {
    for (const b of images) {
      for (const [i, x] of a.vector.entries()) squares += (x - b.vector[i]!) ** 2;
    }
  }
  const typical = Math.sqrt(squares / (images.length * (images.length - 1)));
  expect(findings[0]!.evidence.closest).toBeCloseTo(2 / typical, 6);
});

test('near in the components and far in full is no near duplicate', async () => {
  // All variance of note lies in two dimensions; the third is what one component leaves out.
  const wide = Array.from({ length: 30 }, (_, i) => ({
    origin: `data/apple/${String(i).padStart(2, '0')}.jpg`,
    vector: [i * 100, 0, 0],
    body: `${i}`,
  }));
  const odd = [
    { origin: 'data/apple/x.jpg', vector: [1, 90, 0], body: 'x' },
    { origin: 'data/apple/y.jpg', vector: [1, 0, 90], body: 'y' },
  ];
  const { findings } = await findIn([...wide, ...odd], { k: 1, near: 0.02 });
  expect(findings.filter(({ kind }) => kind === 'near_duplicate')).toEqual([]);
});

test('the same image in two classes is told, exact or near', async () => {
  const copy = { ...FAR[0]!, origin: 'data/pear/copy.jpg' };
  const near = { origin: 'data/pear/near.jpg', vector: shift(FAR[2]!.vector, 1), body: 'near' };
  const { findings } = await findIn([...FAR, copy, near]);
  expect(findings.filter(({ kind }) => kind === 'two_classes')).toMatchObject([
    { origins: ['data/apple/00.jpg', 'data/pear/copy.jpg'], evidence: { match: 'same_bytes' } },
    {
      origins: ['data/apple/02.jpg', 'data/pear/near.jpg'],
      classes: ['apple', 'pear'],
      evidence: { match: 'near' },
    },
  ]);
});

test('an image of Test that is in Training is a leak, told with its closest twin', async () => {
  const images = FAR.map((image) => ({
    ...image,
    origin: image.origin.replace('data', 'Training'),
  }));
  const leaked = { ...FAR[3]!, origin: 'Test/pear/leaked.jpg' };
  const near = { origin: 'Test/apple/near.jpg', vector: shift(FAR[4]!.vector, 1), body: 'near' };
  const { findings, parts } = await findIn([leaked, near, ...images]);
  expect(parts).toEqual(['Training', 'Test']);
  expect(findings.filter(({ kind }) => kind === 'leak')).toMatchObject([
    {
      origins: ['Test/pear/leaked.jpg', 'Training/pear/03.jpg'],
      evidence: { parts: ['Test', 'Training'], match: 'same_bytes', distance: 0 },
      threshold: null,
    },
    {
      origins: ['Test/apple/near.jpg', 'Training/apple/04.jpg'],
      evidence: { match: 'near' },
      threshold: 0.02,
    },
  ]);
});

test('folders of any name can be compared', async () => {
  const other = { ...FAR[1]!, origin: 'new/pear/again.jpg' };
  const { findings } = await findIn([...FAR, other], { compare: ['data', 'new'] });
  expect(findings.filter(({ kind }) => kind === 'leak')).toMatchObject([
    { origins: ['new/pear/again.jpg', 'data/pear/01.jpg'] },
  ]);
});

test('a copy that stands in for others in the search still leaks for each of them', async () => {
  // The first of the equal rows is of Test itself: its twin in Training must be found all the same.
  const near = { vector: shift(FAR[0]!.vector, 1), body: 'n' };
  const images = [
    { ...FAR[0]!, origin: 'Test/apple/a.jpg' },
    { ...FAR[0]!, origin: 'Training/apple/b.jpg' },
    { ...near, origin: 'Test/apple/c.jpg' },
    ...FAR.slice(1),
  ];
  const { findings } = await findIn(images);
  const leaks = findings.filter(({ kind }) => kind === 'leak').map(({ origins }) => origins);
  expect(leaks).toEqual([
    ['Test/apple/a.jpg', 'Training/apple/b.jpg'],
    ['Test/apple/c.jpg', 'Training/apple/b.jpg'],
  ]);
});

test('the same images give the same bytes', async () => {
  const copy = { ...FAR[0]!, origin: 'data/pear/copy.jpg' };
  const [one, two] = [await findIn([...FAR, copy]), await findIn([...FAR, copy])];
  expect(findingsLines(one)).toBe(findingsLines(two));
  expect(findingsLines(one).split('\n')).toHaveLength(3);
  expect(countFindings(one).exact_duplicate).toEqual({ findings: 1, listed: 1, images: 2 });
});

test('of many copies in two classes both classes are named', async () => {
  const copies = Array.from({ length: 60 }, (_, i) => ({
    ...FAR[0]!,
    origin: `data/${i < 58 ? 'apple' : 'zebra'}/copy-${String(i).padStart(2, '0')}.jpg`,
  }));
  const { findings } = await findIn([...FAR, ...copies]);
  const mixed = findings.find(({ kind }) => kind === 'two_classes');
  expect(mixed).toMatchObject({ images: 61 });
  expect(mixed!.origins).toHaveLength(50);
  expect(new Set(mixed!.classes)).toEqual(new Set(['apple', 'zebra']));
});

test('of an image in more classes than names are listed each class is named and counted', async () => {
  const copies = Array.from({ length: 70 }, (_, i) => ({
    ...FAR[0]!,
    origin: `data/${i < 11 ? 'many' : `class-${i}`}/copy-${i}.jpg`,
  }));
  const { findings } = await findIn([...FAR, ...copies]);
  const mixed = findings.find(({ kind }) => kind === 'two_classes')!;
  expect(mixed.origins).toHaveLength(50);
  const classes = mixed.evidence.classes as { class: string; images: number }[];
  expect(classes).toHaveLength(61);
  expect(classes).toContainEqual({ class: 'many', images: 11 });
  expect(classes).toContainEqual({ class: 'class-69', images: 1 });
  expect(classes.reduce((sum, { images }) => sum + images, 0)).toBe(mixed.images);
});

test('probabilities of classes have a smaller threshold than features', () => {
  const space = (...shift: number[]) => ({
    dims: shift.length,
    scale: new Float64Array(shift.length).fill(1),
    shift: Float64Array.from(shift),
    typical: 1,
  });
  expect(defaultNear('cnn', space(0.25, 0.5, 0.25))).toBe(0.05);
  expect(defaultNear('vgg16', space(0.25, 0.5, 0.5))).toBe(0.15);
  expect(defaultNear('cnn', undefined)).toBe(0.15);
  expect(defaultNear('pixels', space(0.5, 0.5))).toBe(0.02);
});
