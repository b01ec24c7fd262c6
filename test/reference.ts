import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeIf } from './skip-if.ts';

/**
 * Reference values from Keras, Pillow and Spark live outside the repository. Tests that need them
 * run where the folder exists; `.ci/run` fails when it exists and they did not run.
 */
export function referenceDir(): string | undefined {
  const dir = resolve(process.env.REFERENCE_DIR ?? '../shared');
  return existsSync(resolve(dir, 'reference')) ? dir : undefined;
}

/** A `describe` whose title starts with "reference:", skipped where the folder is absent. */
export function describeReference(title: string, body: (dir: string) => void): void {
  const why = 'no reference folder (../shared or REFERENCE_DIR)';
  describeIf(`reference: ${title}`, { found: referenceDir(), why }, body);
}
