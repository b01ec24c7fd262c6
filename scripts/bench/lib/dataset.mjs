import { copyFileSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeDataset } from '../../../dist/demo/draw-images.js';

/**
 * 1,200 images of about 100 pixels, where no dataset is named.
 * @param {string} scratch
 * @param {boolean} forPeers only the 800 that all of them read: Spark's image source knows no WebP
 * @returns {Promise<string>} the folder
 */
export async function drawnDataset(scratch, forPeers) {
  const dir = join(scratch, 'drawn');
  const size = { minSize: 90, maxSize: 110 };
  await writeDataset(dir, { seed: 1, imagesPerClass: 200, ...size, withBroken: false });
  if (forPeers) {
    for (const path of imagesOf(dir)) if (path.endsWith('.webp')) rmSync(path);
  }
  return dir;
}

/** Paths of all files below a folder, sorted. @param {string} dataset @returns {string[]} */
export function imagesOf(dataset) {
  return readdirSync(dataset, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Evenly spread over the list, so that every class is there. @param {string[]} paths @param {number} count */
export function sample(paths, count) {
  return Array.from({ length: count }, (_, i) => paths[Math.floor((i * paths.length) / count)]);
}

/**
 * `<dir>/copy-<n>/<class>/<image>`: as many images as asked for, hard links to the dataset's own where the file system
 * allows, so that the same pixels are decoded again and again.
 * @param {string} dataset
 * @param {number} count
 * @param {string} dir
 * @param {RegExp} [named] only images with such names
 */
export function linkMany(dataset, count, dir, named = /./) {
  const sources = imagesOf(dataset).filter((path) => named.test(path));
  for (let i = 0; i < count; i++) {
    const source = sources[i % sources.length];
    const copy = `copy-${Math.floor(i / sources.length)}`;
    linkOrCopy(source, join(dir, copy, basename(dirname(source)), basename(source)));
  }
}

/**
 * So many images of a dataset, as `<dir>/<number>/<class>/<image>` and as a list.
 * @param {string} dataset
 * @param {number} count
 * @param {string} dir
 * @returns {string} path of the list
 */
export function linkSample(dataset, count, dir) {
  const chosen = sample(imagesOf(dataset), count);
  const names = chosen.map((path, i) =>
    join(dir, String(i).padStart(4, '0'), basename(dirname(path)), basename(path)),
  );
  for (const [i, path] of chosen.entries()) linkOrCopy(path, names[i]);
  const list = `${dir}.txt`;
  writeFileSync(list, `${names.join('\n')}\n`);
  return list;
}

/** @param {string} source @param {string} name */
function linkOrCopy(source, name) {
  mkdirSync(dirname(name), { recursive: true });
  try {
    linkSync(source, name);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code !== 'EXDEV' && code !== 'EPERM') throw error;
    copyFileSync(source, name);
  }
}
