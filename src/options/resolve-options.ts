import { OptionError } from '../errors.ts';
import {
  EXTRACT_OPTIONS,
  type ExtractOptions,
  MODES,
  makesSplit,
  type OptionDefinition,
} from './extract-options.ts';
import { appliesTo, flagName, OPTION_KEYS, STORE_KEYS } from './option-keys.ts';
import { oneOf, text } from './option-values.ts';

/** What a caller may give: values from any source, not yet checked. */
export type RawOptions = Readonly<Record<string, unknown>>;

/**
 * Checks every value and fills in the defaults.
 * @throws OptionError naming the option, what was expected and what was given.
 */
export function resolveOptions(raw: RawOptions): ExtractOptions {
  const mode = oneOf(...MODES)(required(raw, 'mode', 'pixels, vgg16 or cnn'), 'mode');
  const input = text('a folder, an image or a list')(required(raw, 'input', 'an input'), 'input');
  const out = text('a folder')(required(raw, 'out', 'a folder for the table'), 'out');
  const known: readonly string[] = ['mode', 'input', 'out', ...OPTION_KEYS];
  for (const key of Object.keys(raw)) {
    if (!known.includes(key)) throw new OptionError(`Expected a known option but received ${key}.`);
  }
  const resolved: Record<string, unknown> = { input, mode, out };
  for (const [key, definition] of Object.entries<OptionDefinition>(EXTRACT_OPTIONS)) {
    const { parse, default: fallback, modes } = definition;
    const given = raw[key];
    if (given !== undefined && !appliesTo(key, mode)) {
      throw new OptionError(
        `Expected --${flagName(key)} only with --mode ${modes?.join(' or ')} but the mode is ${mode}.`,
      );
    }
    const preset = typeof fallback === 'function' ? fallback(mode) : fallback;
    const value = given === undefined ? preset : given;
    resolved[key] = value === undefined ? undefined : parse(value, flagName(key));
  }
  return Object.freeze(checkTogether(resolved as ExtractOptions, raw));
}

/**
 * How to reach the store of a finished run (`verify`, `report`, `--with`), where there is no mode to check options by.
 * @throws OptionError
 */
export function storeOptions(raw: RawOptions): ExtractOptions {
  const given = STORE_KEYS.map((key) => [key, raw[key]]);
  return resolveOptions({ input: '.', out: '.', mode: 'pixels', ...Object.fromEntries(given) });
}

/** Rules between options. */
function checkTogether(options: ExtractOptions, raw: RawOptions): ExtractOptions {
  if (options.mode === 'cnn' && options.model === undefined) {
    throw new OptionError('Expected --model with --mode cnn but received none.', {
      fix: 'Name the model folder: --model models/resnet50.',
    });
  }
  if (options.gpus !== undefined && (options.device === 'cpu' || options.device === 'wasm')) {
    throw new OptionError(
      `Expected --gpus only with --device cuda or auto but the device is ${options.device}.`,
      { fix: 'Leave one of the two out.' },
    );
  }
  if (options.update && options.overwrite) {
    throw new OptionError('Expected --update or --overwrite but received both.', {
      fix: '--update keeps the rows of unchanged images, --overwrite computes all of them again.',
    });
  }
  if (options.update && options.shard !== undefined) {
    throw new OptionError('Expected --update or --shard but received both.', {
      fix: 'Jobs make a run from scratch; once merged, it is brought up to date by --update.',
    });
  }
  if (options.refit && !options.update) {
    throw new OptionError('Expected --refit only with --update but received it alone.', {
      fix: 'A run without --update fits scaler and PCA in any case.',
    });
  }
  if (options.refit && options.with !== undefined) {
    throw new OptionError('Expected --with or --refit but received both.', {
      fix: 'transform keeps the scaler and PCA of the run that --with names: leave --refit out.',
    });
  }
  if (options.split !== undefined && options.splitColumn !== undefined) {
    throw new OptionError('Expected --split or --split-column but received both.', {
      fix: '--split makes a split, --split-column reads the one of a list.',
    });
  }
  const isPlain = options.views === 1;
  if (raw.seed !== undefined && !makesSplit(options) && isPlain) {
    throw new OptionError(
      'Expected --seed only with --split and shares, or --views, but received it alone.',
      { fix: 'Give what it is the seed of: --split 80/10/10 --seed 7, or --views 4 --seed 7.' },
    );
  }
  for (const key of ['augment', 'fitViews'] as const) {
    if (raw[key] === undefined || !isPlain) continue;
    throw new OptionError(
      `Expected --${flagName(key)} only with --views above 1 but received it alone.`,
      { fix: 'Say how many rows each image gives: --views 4.' },
    );
  }
  // Spark's image source writes origins as URLs, and so did the notebook.
  return options.seedCompat && raw.origin === undefined ? { ...options, origin: 'url' } : options;
}

function required(raw: RawOptions, name: string, what: string): unknown {
  if (raw[name] === undefined) {
    throw new OptionError(`Expected ${what} for --${name} but received nothing.`);
  }
  return raw[name];
}
