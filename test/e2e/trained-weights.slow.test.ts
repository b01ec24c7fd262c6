import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
// Threads and processes start from the build.
import * as built from '../../dist/index.js';
import type * as api from '../../src/index.ts';
import { realModel } from '../real-model.ts';
import { describeReference } from '../reference.ts';

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

describeReference('photographs through EfficientNet-Lite0', (dir) => {
  test('106 of 128 are recognised, and most dogs have a dog as their nearest', async (context) => {
    const photos = join(dir, 'data', 'photos');
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

/** The other vector with the smallest angle. */
function nearest(vectors: readonly Float32Array[], of: number): number {
  const cosines = vectors.map((other, i) => (i === of ? -1 : cosine(vectors[of], other)));
  return cosines.indexOf(Math.max(...cosines));
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) =>
    x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
