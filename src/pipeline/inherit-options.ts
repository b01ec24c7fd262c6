import { OptionError } from '../errors.ts';
import {
  EXTRACT_OPTIONS,
  flagName,
  INHERITED_OPTIONS,
  type OptionDefinition,
} from '../options/extract-options.ts';
import { storeOptions } from '../options/store-options.ts';
import { readNamedRun } from '../run/read-run-json.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import { openOutputForReading } from '../storage/open-output.ts';

/**
 * Fills what defines the features from the run that `with` names; what is given stays, and is checked
 * against that run later. Keys are flags ("max-pixels"), as on the command line.
 * @throws OptionError without `with`; RunError when that run is not complete.
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
  return merged;
}

/** run.json holds the defaults of options that its mode does not take, too. */
function meansSomething(key: Exclude<(typeof INHERITED_OPTIONS)[number], 'mode'>, mode: unknown) {
  const { modes } = EXTRACT_OPTIONS[key] as OptionDefinition<unknown>;
  return modes === undefined || (modes as readonly unknown[]).includes(mode);
}
