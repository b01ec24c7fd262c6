import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError, OptionError } from '../errors.ts';
import { findModelFolder } from '../model/find-model-folder.ts';
import {
  EXTRACT_OPTIONS,
  flagName,
  INHERITED_OPTIONS,
  type Mode,
  type OptionDefinition,
} from '../options/extract-options.ts';
import { storeOptions } from '../options/store-options.ts';
import { readNamedRun } from '../run/read-run-json.ts';
import type { RunJson } from '../run/run-json.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import { openOutputForReading } from '../storage/open-output.ts';

/**
 * Fills what defines the features from the run that `with` names; what is given stays, and is checked
 * against that run later. Keys are flags ("max-pixels"), as on the command line.
 * @throws OptionError without `with`; RunError when that run is not complete; ModelError when its model is missing.
 */
export async function inheritOptions(
  raw: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  if (typeof raw.with !== 'string') {
    throw new OptionError('Expected a finished run for --with but received nothing.', {
      fix: 'img2features transform new-images --with features --out new-features',
    });
  }
  const saved = await openOutputForReading(raw.with, {
    s3: s3OptionsOf(storeOptions(raw)),
    signal,
  });
  const run = await readNamedRun(saved, '--with', { hasReducer: true });
  const there = run.options as Record<string, unknown>;
  const merged = { ...raw };
  for (const key of INHERITED_OPTIONS) {
    const isMeant = key === 'mode' || meansSomething(key, there.mode);
    if (isMeant && there[key] !== undefined) merged[flagName(key)] ??= there[key];
  }
  if (there.mode !== 'pixels' && raw.model === undefined) {
    const dir = findModelFolder(there.mode as Mode, there.model as string | undefined);
    if (!existsSync(join(dir, 'model.json'))) throw movedModel(dir, raw.with, run);
  }
  return merged;
}

function movedModel(dir: string, target: string, { model }: RunJson): ModelError {
  const { weightsSha256 } = (model ?? {}) as { readonly weightsSha256?: string };
  const mark = weightsSha256 === undefined ? '' : ` (SHA-256 of its weights: ${weightsSha256})`;
  return new ModelError(
    `Expected the model of the run ${target} in ${dir} but found no model.json there.`,
    { fix: `Say where it is now by --model <folder>${mark}.` },
  );
}

/** run.json holds the defaults of options that its mode does not take, too. */
function meansSomething(key: Exclude<(typeof INHERITED_OPTIONS)[number], 'mode'>, mode: unknown) {
  const { modes } = EXTRACT_OPTIONS[key] as OptionDefinition<unknown>;
  return modes === undefined || (modes as readonly unknown[]).includes(mode);
}
