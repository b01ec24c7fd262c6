import { existsSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mode } from '../options/extract-options.ts';

/**
 * The folder named by `--model`, or `models/<mode>` without one: of the working folder, else of this package's own
 * folder (where `npm start` makes one, and `pack` puts one). A folder that is not there is reported by the reader.
 */
export function findModelFolder(mode: Mode, given: string | undefined): string {
  const name = modelDirOf(given ?? join('models', mode));
  const here = resolve(name);
  if (isAbsolute(name) || existsSync(join(here, 'model.json'))) return here;
  const own = resolve(PACKAGE, name);
  return existsSync(join(own, 'model.json')) ? own : here;
}

/** `models/vgg16/model.json` means its folder. */
export function modelDirOf(path: string): string {
  return basename(path) === 'model.json' ? dirname(path) : path;
}

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
