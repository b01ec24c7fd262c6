import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
// Threads and processes start from the build.
import * as built from '../../dist/index.js';
import { CLASSES, writeDataset } from '../../src/demo/draw-images.ts';
import type { Finding } from '../../src/findings/finding.ts';
import type * as api from '../../src/index.ts';
import { realModel } from '../real-model.ts';
import { describeReference } from '../reference.ts';
import { runInProcess, tempFolder } from './run-cli.ts';

const { openModel } = built as unknown as typeof api;

/** Which of ImageNet's 1,000 classes each of the 128 photographs is: the place of its WordNet number among theirs. */
const PHOTO_CLASSES = [
  1, 8, 23, 24, 26, 27, 44, 46, 56, 78, 83, 90, 95, 108, 112, 114, 124, 127, 136, 142, 150, 151,
  155, 158, 160, 166, 176, 178, 186, 188, 196, 210, 228, 230, 241, 245, 249, 259, 266, 269, 270,
  289, 304, 320, 329, 332, 345, 347, 355, 368, 371, 373, 394, 412, 418, 442, 443, 444, 448, 466,
  517, 527, 533, 537, 544, 553, 556, 558, 566, 568, 570, 582, 589, 591, 595, 619, 620, 622, 632,
  634, 636, 640, 647, 653, 658, 664, 673, 680, 695, 700, 706, 712, 720, 726, 730, 731, 754, 759,
  764, 769, 770, 786, 795, 807, 810, 818, 833, 834, 854, 855, 878, 883, 884, 895, 898, 907, 908,
  928, 934, 936, 938, 943, 955, 960, 967, 980, 981, 991,
];
const isDog = (imagenetClass: number) => imagenetClass >= 151 && imagenetClass <= 268;

let dir: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
});
afterAll(() => remove());

describeReference('photographs through EfficientNet-Lite0', (reference) => {
  test('106 of 128 are recognised, and most dogs have a dog as their nearest', async (context) => {
    const photos = join(reference, 'data', 'photos');
    const files = readdirSync(photos).sort();
    const layer = 'avg_pool,predictions';
    await using model = await openModel(await realModel(context), { layer });
    const rows = await model.embed(files.map((name) => join(photos, name)));
    const [features, predictions] = [0, 1].map((column) => rows.map((row) => row.vectors![column]));
    const ranks = predictions.map((values, i) => {
      const right = values[PHOTO_CLASSES[i]];
      return values.filter((value) => value > right).length;
    });
    expect(ranks.filter((rank) => rank === 0)).toHaveLength(106);
    expect(ranks.filter((rank) => rank < 5)).toHaveLength(127);
    const dogs = PHOTO_CLASSES.flatMap((it, i) => (isDog(it) ? [i] : []));
    const beside = dogs.filter((i) => isDog(PHOTO_CLASSES[nearest(features, i)]));
    expect([beside.length, dogs.length]).toEqual([14, 18]);
  });
});

test('drawn classes come apart', async (context) => {
  const sizes = { minSize: 200, maxSize: 400, withBroken: false };
  await writeDataset(join(dir, 'drawn'), { seed: 2, imagesPerClass: 12, ...sizes });
  const files = imagesBelow(join(dir, 'drawn'));
  const features = await embed(await realModel(context), files);
  const alike = files.filter((file, i) => classOf(file) === classOf(files[nearest(features, i)]));
  expect(files).toHaveLength(12 * CLASSES.length);
  // 71 of 72 where it was written; by chance it would be 11.
  expect(alike.length).toBeGreaterThanOrEqual(68);
});

describeReference('what the features of EfficientNet-Lite0 find', (reference) => {
  const fruits = join(reference, 'data', 'fruits-360');
  const some = (part: string, of: string, count: number) =>
    readdirSync(join(fruits, part, of))
      .sort()
      .slice(0, count)
      .map((name) => join(fruits, part, of, name));

  test('search and classifier: new fruits are nearest to their own kind', async (context) => {
    const kinds = readdirSync(join(fruits, 'Training'));
    const known = kinds.flatMap((kind) => some('Training', kind, 12));
    const fresh = kinds.flatMap((kind) => some('Test', kind, 4));
    const features = await embed(await realModel(context), [...known, ...fresh]);
    const [there, asked] = [features.slice(0, known.length), features.slice(known.length)];
    const means = kinds.map((kind) => meanOf(there.filter((_, i) => classOf(known[i]) === kind)));
    const right = (answer: (vector: Float32Array) => string) =>
      fresh.filter((file, i) => answer(asked[i]) === classOf(file)).length;
    expect(right((vector) => classOf(known[mostAlike(vector, there)]))).toBe(40);
    expect(right((vector) => kinds[mostAlike(vector, means)])).toBe(40);
  });

  test('findings: copies between the parts, and the fruit in a folder of another kind', async (context) => {
    const photos = readdirSync(join(reference, 'data', 'photos')).sort();
    mkdirSync(join(dir, 'leaks', 'Test', 'photo'), { recursive: true });
    for (const [i, name] of photos.entries()) {
      const path = join(reference, 'data', 'photos', name);
      put(path, 'leaks', i < 64 ? 'Training' : 'Test', 'photo');
      if (i >= 16) continue;
      const copy = sharp(readFileSync(path), { ignoreIcc: true }).jpeg({ quality: 90 });
      await copy.toFile(join(dir, 'leaks', 'Test', 'photo', `copy-${name}`));
    }
    const leaks = (await findings(await realModel(context), 'leaks')).filter(isLeak);
    expect(leaks.map(({ origins }) => origins.map((origin) => basename(origin)))).toEqual(
      leaks.map(({ origins: [, twin] }) => [`copy-${basename(twin)}`, basename(twin)]),
    );
    expect(leaks.length).toBeGreaterThanOrEqual(15);

    const kinds = readdirSync(join(fruits, 'Training')).slice(0, 5);
    for (const [i, kind] of kinds.entries()) {
      for (const path of some('Training', kind, 60)) put(path, 'mixed', kind);
      const [other] = some('Test', kinds[(i + 1) % 5], 1);
      copyFileSync(other, join(dir, 'mixed', kind, `wrong-${(i + 1) % 5}.jpg`));
    }
    // Views from the end of a fruit are outliers, too, among their own kind.
    const strangers = (await findings(await realModel(context), 'mixed')).flatMap(
      ({ kind, classes, origins: [origin], evidence: { nearestClasses } }) =>
        kind === 'outlier' && !(nearestClasses as string[]).includes(classes[0])
          ? [[basename(origin), ...new Set(nearestClasses as string[])]]
          : [],
    );
    for (const [name, nearest] of strangers) {
      expect(name).toBe(`wrong-${kinds.indexOf(nearest)}.jpg`);
    }
    expect(strangers.length).toBeGreaterThanOrEqual(4);
  });
});

const isLeak = ({ kind }: Finding) => kind === 'leak';

/** A copy of an image in a folder of the test. */
function put(path: string, ...folders: string[]): void {
  const target = join(dir, ...folders, basename(path));
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(path, target);
}

async function findings(model: string, input: string): Promise<Finding[]> {
  const options = ['--mode', 'cnn', '--model', model, '--layer', 'avg_pool'];
  const { status, stderr } = await runInProcess(dir, input, ...options, '--out', `${input}-out`);
  expect([status, stderr]).toEqual([0, expect.not.stringContaining('Warning')]);
  const lines = readFileSync(join(dir, `${input}-out`, 'findings.jsonl'), 'utf8').trim();
  return lines.split('\n').map((line) => JSON.parse(line));
}

/** Of the pooled layer. */
async function embed(dir: string, files: readonly string[]): Promise<Float32Array[]> {
  await using model = await openModel(dir, { layer: 'avg_pool' });
  return (await model.embed(files)).map(({ vector }) => vector!);
}

function imagesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function classOf(file: string): string {
  return basename(dirname(file));
}

/** The other vector with the smallest angle. */
function nearest(vectors: readonly Float32Array[], of: number): number {
  return mostAlike(
    vectors[of],
    vectors.map((other, i) => (i === of ? new Float32Array(other.length) : other)),
  );
}

function mostAlike(vector: Float32Array, among: readonly Float32Array[]): number {
  const cosines = among.map((other) => cosine(vector, other));
  return cosines.indexOf(Math.max(...cosines));
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) =>
    x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) || 1);
}

function meanOf(vectors: readonly Float32Array[]): Float32Array {
  return vectors[0].map((_, j) => vectors.reduce((sum, it) => sum + it[j], 0) / vectors.length);
}
