import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError, OptionError } from '../errors.ts';
import { findModelFolder } from '../model/find-model-folder.ts';
import type { Mode } from '../options/extract-options.ts';
import { appliesTo, INHERITED_KEYS } from '../options/option-keys.ts';
import { type RawOptions, storeOptions } from '../options/resolve-options.ts';
import { type RunJson, readNamedRun } from '../run/run-json.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import { openOutputForReading } from '../storage/open-output.ts';

/**
 * What defines the features of the run that `with` names. A caller's own options go before them, and are
 * checked against that run later.
 * @param given `with`, how its store is reached, and `model` where it is another than that run's
 * @throws OptionError without `with`; RunError when that run is not complete; ModelError when its model is missing.
 */
export async function inheritedOptions(
  given: RawOptions,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  if (typeof given.with !== 'string') {
    throw new OptionError('Expected a finished run for --with but received nothing.', {
      fix: 'img2features transform new-images --with features --out new-features',
    });
  }
  const s3 = s3OptionsOf(storeOptions(given));
  const saved = await openOutputForReading(given.with, { s3, signal });
  const run = await readNamedRun(saved, '--with', { hasReducer: true });
  const there = run.options as Record<string, unknown>;
  if (there.mode !== 'pixels' && given.model === undefined) {
    const dir = findModelFolder(there.mode as Mode, there.model as string | undefined);
    if (!existsSync(join(dir, 'model.json'))) throw movedModel(dir, given.with, run);
  }
  // run.json holds the defaults of options that its mode does not take, too.
  const keys = INHERITED_KEYS.filter((key) => appliesTo(key, there.mode));
  return Object.fromEntries(keys.map((key) => [key, there[key]]));
}

function movedModel(dir: string, target: string, { model }: RunJson): ModelError {
  const { weightsSha256 } = (model ?? {}) as { readonly weightsSha256?: string };
  const mark = weightsSha256 === undefined ? '' : ` (SHA-256 of its weights: ${weightsSha256})`;
  return new ModelError(
    `Expected the model of the run ${target} in ${dir} but found no model.json there.`,
    { fix: `Say where it is now by --model <folder>${mark}.` },
  );
}
