/** Lists of options, all derived from the table and in its order; and their names as flags. */
import {
  EXTRACT_OPTIONS,
  type OptionDefinition,
  type OptionGroup,
  type OptionKey,
} from './extract-options.ts';

export const OPTION_KEYS = Object.keys(EXTRACT_OPTIONS) as readonly OptionKey[];

/** The options whose entry in the table is as wanted. */
export function optionKeys(isWanted: (definition: OptionDefinition) => boolean): OptionKey[] {
  return OPTION_KEYS.filter((key) => isWanted(EXTRACT_OPTIONS[key]));
}

type KeyIn<G> = {
  [K in OptionKey]: (typeof EXTRACT_OPTIONS)[K]['group'] extends G ? K : never;
}[OptionKey];

/** The options of these groups, but for some. */
export function keysIn<const G extends OptionGroup, const E extends OptionKey = never>(
  groups: readonly G[],
  except: readonly E[] = [],
): readonly Exclude<KeyIn<G>, E>[] {
  const isIn = ({ group }: OptionDefinition) => (groups as readonly OptionGroup[]).includes(group);
  const keys = optionKeys(isIn).filter((key) => !(except as readonly OptionKey[]).includes(key));
  return keys as Exclude<KeyIn<G>, E>[];
}

/** How a store is reached. */
export const STORE_KEYS = keysIn(['Store']);

/** What has no meaning where images come one by one: the options of lists and fits. */
export const OF_LISTS = [
  'labels',
  'pathColumn',
  'targetColumn',
  'splitColumn',
  'keepColumns',
] as const;
const OF_RUNS = [
  ...(['k', 'standardize', 'with', 'limit', 'extensions', 'exclude', 'split', 'seed'] as const),
  ...(['views', 'augment', 'fitViews'] as const),
  ...OF_LISTS,
] as const;

/** What a worker takes. */
export const WORKER_KEYS = keysIn(['Features', 'Images', 'Store', 'Machine'], OF_RUNS);

/** What a model of the library takes: its folder has an argument of its own. */
export const MODEL_KEYS = keysIn(
  ['Features', 'Images', 'Machine'],
  [...OF_RUNS, 'model', 'seedCompat'],
);

/** What a `transform` takes from the run that --with names: what defines the features. */
export const INHERITED_KEYS: readonly string[] = [
  'mode',
  ...optionKeys(({ definesFeatures }) => definesFeatures !== undefined),
];

/** What defines features in every mode; what is special to networks is compared by what it led to: layers, preprocessing. */
export function keysForAllModes(
  ...kinds: readonly OptionDefinition['definesFeatures'][]
): OptionKey[] {
  return optionKeys(
    ({ definesFeatures: kind, modes }) =>
      modes === undefined && kind !== undefined && (kinds.length === 0 || kinds.includes(kind)),
  );
}

/**
 * The options that define features in every mode, and others, as a run's identity has them.
 * @param options those of a run, also of one from before some of them
 */
export function identityValues(
  options: Readonly<Record<string, unknown>>,
  keys: readonly OptionKey[],
): Record<string, unknown> {
  const entryOf = (key: OptionKey) => {
    const { isNewer, default: preset }: OptionDefinition = EXTRACT_OPTIONS[key];
    return isNewer && options[key] === preset ? undefined : options[key];
  };
  return Object.fromEntries(keys.map((key) => [key, entryOf(key)]));
}

/** The entry of an option; undefined for a name that is none. */
export function optionOf(key: string): OptionDefinition | undefined {
  const table: Readonly<Record<string, OptionDefinition>> = EXTRACT_OPTIONS;
  return table[key];
}

/** Whether a mode takes the option; where it is not known, it may. */
export function appliesTo(key: string, mode: unknown): boolean {
  const modes: readonly unknown[] | undefined = optionOf(key)?.modes;
  return modes === undefined || mode === undefined || modes.includes(mode);
}

/** "maxPixels" -> "max-pixels" */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** "max-pixels" -> "maxPixels" */
export function keyOf(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
