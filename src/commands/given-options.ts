/** Where options come from beside the command line: the environment and the file of --config. */
import { readFileSync } from 'node:fs';
import type { Argv, Options } from 'yargs';
import { closestNames } from '../closest-names.ts';
import { decodeText } from '../decode-text.ts';
import { errnoOf, OptionError } from '../errors.ts';
import { parseJson, show } from '../json.ts';
import {
  describeOption,
  EXTRACT_OPTIONS,
  MODE_HELP,
  type OptionDefinition,
  type OptionKey,
} from '../options/extract-options.ts';
import { appliesTo, flagName, keyOf, OPTION_KEYS } from '../options/option-keys.ts';
import { flag, oneOf } from '../options/option-values.ts';
import type { CommandContext } from './command-context.ts';

/** Everything that a configuration file may hold. */
const KNOWN_KEYS: readonly string[] = ['input', 'mode', 'out', 'log', 'quiet', ...OPTION_KEYS];

/** `--config` for a command. */
export function configOption<T>(command: Argv<T>) {
  const form = valueOption('JSON file with any of these options', 'Run:');
  return command.option('config', { ...form, normalize: true });
}

/**
 * An option of the table for yargs; values stay text, so that its parser alone checks them.
 * @param shown as its default
 */
function yargsOption(
  definition: OptionDefinition,
  shown = definition.defaultText ??
    (definition.default === undefined ? undefined : String(definition.default)),
): Options {
  return {
    type: definition.isFlag ? 'boolean' : 'string',
    ...(definition.isFlag ? {} : { requiresArg: true }),
    describe: describeOption(definition),
    group: `${definition.group}:`,
    ...(shown === undefined ? {} : { defaultDescription: shown }),
  };
}

/** An option with a value of a command's own. @param shown as its default */
export function valueOption(describe: string, group: string, shown?: string) {
  const form = { type: 'string', requiresArg: true, group, describe } as const;
  return shown === undefined ? form : { ...form, defaultDescription: shown };
}

export const JSON_OPTION = {
  type: 'boolean',
  group: 'Run:',
  describe: 'Print the result as JSON',
} as const;

/** `--mode` for a command. */
export function modeOption(command: Argv, shownDefault?: string) {
  return command.option('mode', valueOption(MODE_HELP, 'Features:', shownDefault));
}

/** `--log` and `--quiet` for a command. */
export function addLogOptions<T>(command: Argv<T>) {
  return command
    .option('log', valueOption('text, or json: one event a line on stdout', 'Run:'))
    .option('quiet', { type: 'boolean', group: 'Run:', describe: 'Only the summary and errors' });
}

export function logOptions({ log, quiet }: Readonly<Record<string, unknown>>) {
  return {
    log: log === undefined ? ('text' as const) : oneOf('text', 'json')(log, 'log'),
    quiet: quiet !== undefined && flag()(quiet, 'quiet'),
  };
}

/**
 * Adds options of the table by their keys.
 * @param shownDefault what help shows as default in place of the option's own
 */
export function addOptions<T>(
  command: Argv<T>,
  keys: readonly OptionKey[],
  shownDefault: (key: string) => string | undefined = () => undefined,
): Argv<T> {
  return keys.reduce((all, key) => {
    const options = yargsOption(EXTRACT_OPTIONS[key], shownDefault(key));
    return all.option(flagName(key), options) as Argv<T>;
  }, command);
}

/**
 * The given options of a command by key ("maxPixels"): the command line, else the file of `--config`, else
 * `IMG2FEATURES_<NAME>`, else `inherited`.
 *
 * @param args by flag ("max-pixels"), as yargs has them
 * @param keys those that the command knows; a file may hold others, which are ignored
 * @throws OptionError for a file that cannot be read or holds an option that does not exist
 */
export function givenOptions(
  args: Readonly<Record<string, unknown>>,
  env: CommandContext['env'],
  keys: readonly string[] = KNOWN_KEYS,
  inherited: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  refuseMisspeltVariables(env);
  const merged = Object.fromEntries(
    Object.entries(args).map(([flag, value]) => [keyOf(flag), value]),
  );
  const path = merged.config ?? env.IMG2FEATURES_CONFIG;
  const file = typeof path === 'string' && path !== '' ? readConfig(path) : {};
  for (const key of keys) merged[key] ??= file[key];
  const mode = keys.includes('mode')
    ? (merged.mode ?? fromEnvironment('mode', env) ?? inherited.mode)
    : undefined;
  for (const key of keys) {
    // A variable applies to every run: a run of pixels ignores the device, without an error.
    if (appliesTo(key, mode)) merged[key] ??= fromEnvironment(key, env);
    merged[key] ??= inherited[key];
  }
  return merged;
}

/** Variables that are no options: of the program, its launchers and its tests. */
const OTHER_VARIABLES = [
  ...['CACHE', 'CONFIG', 'TENSORFLOW', 'WEIGHTS_MIRROR', 'COLOR', 'NODE', 'CLI', 'SPARK'],
  ...['TEST_SPARK', 'FAULTS', 'S3', 'JSON', 'NEAR', 'COMPARE'],
];

/** A name that no option has and that is close to one; others may be another program's. @throws OptionError */
function refuseMisspeltVariables(env: CommandContext['env']): void {
  const keys = KNOWN_KEYS.filter((key) => key !== 'input');
  const known = [...keys.map(variableOf), ...OTHER_VARIABLES];
  for (const name of Object.keys(env)) {
    const given = name.slice(PREFIX.length);
    if (!name.startsWith(PREFIX) || known.includes(given)) continue;
    // Each word has the letter of --k.
    const near = closestNames(
      given,
      known.filter((one) => one.length > 1),
      2,
    );
    if (near.length === 0) continue;
    throw new OptionError(`Expected variables of options that exist but found ${name}.`, {
      fix: `Did you mean ${near.map((one) => PREFIX + one).join(' or ')}? Else unset it.`,
    });
  }
}

const PREFIX = 'IMG2FEATURES_';

function variableOf(key: string): string {
  return flagName(key).replaceAll('-', '_').toUpperCase();
}

function fromEnvironment(key: string, env: CommandContext['env']): string | undefined {
  if (key === 'input') return undefined;
  const value = env[PREFIX + variableOf(key)];
  return value === '' ? undefined : value;
}

function readConfig(path: string): Record<string, unknown> {
  const found: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(parseFile(path))) {
    const key = keyOf(name.replace(/^--/, ''));
    if (!KNOWN_KEYS.includes(key)) {
      const near = closestNames(name, KNOWN_KEYS.map(flagName), 2);
      throw new OptionError(`Expected options that exist in ${path} but found ${show(name)}.`, {
        fix:
          near.length > 0
            ? `Did you mean ${near.map((one) => JSON.stringify(one)).join(' or ')}?`
            : 'img2features --help lists them; write each without its dashes: {"max-bad": "5%"}.',
      });
    }
    found[key] = value;
  }
  return found;
}

function parseFile(path: string): object {
  let text: string;
  try {
    text = decodeText(readFileSync(path));
  } catch (cause) {
    const code = errnoOf(cause);
    throw new OptionError(
      `Expected a file for --config but found ${code === 'ENOENT' ? 'nothing' : `an error (${code})`} at ${path}.`,
      { fix: 'Name a JSON file such as {"mode": "pixels", "k": 50}.', cause },
    );
  }
  const fix = 'Write it as {"mode": "pixels", "k": 50}.';
  const parsed = parseJson(text, { name: `${path} (--config)`, error: OptionError, fix });
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  throw new OptionError(`Expected an object in ${path} (--config) but found ${show(parsed)}.`, {
    fix,
  });
}
