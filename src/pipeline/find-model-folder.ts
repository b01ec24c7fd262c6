import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mode } from '../options.ts';

/**
 * The folder named by `--model`; without one `models/<mode>` of the working folder, else of this
 * package's own folder (where `npm start` makes it). A folder that is not there is reported by the reader.
 */
export function findModelFolder(mode: Mode, given: string | undefined): string {
  if (given !== undefined) return resolve(given);
  const here = resolve('models', mode);
  const own = fileURLToPath(new URL(join('../../models', mode), import.meta.url));
  return !existsSync(join(here, 'model.json')) && existsSync(join(own, 'model.json')) ? own : here;
}
