import { copyFileSync, linkSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Paths of all files below a folder, sorted. @param {string} dataset @returns {string[]} */
export function imagesOf(dataset) {
  return readdirSync(dataset, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/**
 * `<dir>/copy-<n>/<class>/<image>`: as many images as asked for, hard links to the dataset's own where the file system
 * allows, so that the same pixels are decoded again and again.
 * @param {string} dataset
 * @param {number} count
 * @param {string} dir
 */
export function linkMany(dataset, count, dir) {
  const sources = imagesOf(dataset);
  for (let i = 0; i < count; i++) {
    const source = sources[i % sources.length];
    const folder = join(dir, `copy-${Math.floor(i / sources.length)}`, basename(dirname(source)));
    mkdirSync(folder, { recursive: true });
    linkOrCopy(source, join(folder, basename(source)));
  }
}

function linkOrCopy(source, name) {
  try {
    linkSync(source, name);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code !== 'EXDEV' && code !== 'EPERM') throw error;
    copyFileSync(source, name);
  }
}

/** Evenly spread over the list, so that every class is there. */
export function sample(paths, count) {
  return Array.from({ length: count }, (_, i) => paths[Math.floor((i * paths.length) / count)]);
}
