import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * SHA-256 over the names and bytes of files and folders below `root`: equal when nothing changed.
 * Modification times do not count (a fresh clone has new ones).
 * @param {string} root
 * @param {string[]} paths files or folders, relative to `root`
 */
export function fingerprint(root, paths) {
  const hash = createHash('sha256');
  for (const path of paths.flatMap((name) => filesOf(join(root, name))).sort()) {
    const bytes = readFileSync(path);
    hash.update(`${relative(root, path)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/**
 * Whether `file` says that the step with this fingerprint was finished.
 * @param {string} file
 * @param {string} value
 */
export function hasStamp(file, value) {
  return existsSync(file) && readFileSync(file, 'utf8') === `${value}\n`;
}

/** @param {string} file @param {string} value */
export function writeStamp(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${value}\n`);
}

/**
 * Called before a step starts, so that one killed half-way is done again.
 * @param {string} file
 */
export function removeStamp(file) {
  rmSync(file, { force: true });
}

/** @param {string} path @returns {string[]} */
function filesOf(path) {
  if (!existsSync(path)) return [];
  try {
    return readdirSync(path).flatMap((name) => filesOf(join(path, name)));
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOTDIR') return [path];
    throw error;
  }
}
