import { EXTRACT_OPTIONS, flagName, type OptionDefinition } from './extract-options.ts';
import { resolveOptions } from './resolve-options.ts';

/** The options that say how a store is reached. */
export const STORE_KEYS: readonly string[] = Object.entries(
  EXTRACT_OPTIONS as Record<string, OptionDefinition<unknown>>,
).flatMap(([key, { group }]) => (group === 'Store' ? [key] : []));

/**
 * How to reach the store of a finished run (`verify`, `report`, `--with`), where there is no mode to check options by.
 * @param raw keys are flags ("s3-endpoint")
 * @throws OptionError
 */
export function storeOptions(raw: Readonly<Record<string, unknown>>) {
  const given = STORE_KEYS.map((key) => [key, raw[flagName(key)]]);
  return resolveOptions({ input: '.', out: '.', mode: 'pixels', ...Object.fromEntries(given) });
}
