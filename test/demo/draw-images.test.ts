import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CLASSES, drawImage, writeDataset } from '../../src/demo/draw-images.ts';

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'draw-images-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});

test('the same seed draws the same pixels on every machine', () => {
  const hash = createHash('sha256');
  for (const shape of CLASSES) {
    hash.update(drawImage(shape, { seed: 7, minSize: 20, maxSize: 40 }).data);
  }
  expect(hash.digest('hex')).toBe(
    '6ca3295da0bd62d242ff125aac91c7d0c607e46e3b37ec6ef882e4d61b27c826',
  );
});

test('another seed draws another picture', () => {
  const one = drawImage('circle', { seed: 1, minSize: 20, maxSize: 20 });
  const two = drawImage('circle', { seed: 2, minSize: 20, maxSize: 20 });
  expect(one.data).not.toEqual(two.data);
});

test('a picture has three channels and sides within the bounds', () => {
  for (let seed = 0; seed < 50; seed++) {
    const { data, width, height } = drawImage('ring', { seed, minSize: 3, maxSize: 5 });
    expect(data).toHaveLength(width * height * 3);
    expect(Math.min(width, height)).toBeGreaterThanOrEqual(3);
    expect(Math.max(width, height)).toBeLessThanOrEqual(5);
  }
});

test('a data set has a folder a class, three formats and one JPEG cut in half', async () => {
  const options = { seed: 1, imagesPerClass: 3, minSize: 10, maxSize: 20, withBroken: true };
  await writeDataset(dir, options);
  expect((await readdir(dir)).sort()).toEqual(CLASSES);
  expect((await readdir(join(dir, 'square'))).sort()).toEqual([
    'square-000.jpg',
    'square-001.png',
    'square-002.webp',
  ]);
  for (const format of ['jpg', 'png', 'webp']) {
    const number = ['jpg', 'png', 'webp'].indexOf(format);
    const { format: found } = await sharp(
      join(dir, 'ring', `ring-00${number}.${format}`),
    ).metadata();
    expect(found).toBe(format === 'jpg' ? 'jpeg' : format);
  }
  const broken = await readFile(join(dir, CLASSES[0], `${CLASSES[0]}-broken.jpg`));
  expect(broken.readUInt16BE(0)).toBe(0xffd8);
  await expect(sharp(broken, { failOn: 'warning' }).raw().toBuffer()).rejects.toThrow();
});
