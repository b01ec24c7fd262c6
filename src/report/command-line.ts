import {
  EXTRACT_OPTIONS,
  type OptionDefinition,
  type OptionKey,
} from '../options/extract-options.ts';
import { appliesTo, flagName, INHERITED_KEYS, OPTION_KEYS } from '../options/option-keys.ts';
import type { RunJson } from '../run/run-json.ts';

/** What says how a run meets what is there already, or how it is shown, and not what is in the table. */
const NOT_OF_THE_TABLE: readonly OptionKey[] = [
  'workers',
  'overwrite',
  'update',
  'refit',
  'dryRun',
  'report',
  'thumbnails',
  'quality',
];

/** The command that makes the same table: every option that differs from its default, quoted for a shell. */
export function commandLine(run: RunJson, target: string): string {
  const options = run.options as Readonly<Record<string, unknown>>;
  const isTransform = run.command === 'transform';
  const mode = options.mode as 'pixels' | 'vgg16' | 'cnn';
  const words = ['img2features', ...(isTransform ? ['transform'] : []), String(options.input)];
  if (!isTransform) words.push('--mode', mode);
  for (const key of OPTION_KEYS) {
    const definition: OptionDefinition = EXTRACT_OPTIONS[key];
    const { parse, default: preset } = definition;
    const value = options[key];
    const isInherited = isTransform && INHERITED_KEYS.includes(key);
    if (NOT_OF_THE_TABLE.includes(key) || isInherited || !appliesTo(key, mode)) continue;
    if (value === undefined || value === null) continue;
    const given = typeof preset === 'function' ? preset(mode) : preset;
    const standard = given === undefined ? undefined : parse(given, key);
    if (JSON.stringify(value) === JSON.stringify(standard)) continue;
    words.push(...wordsOf(flagName(key), value));
  }
  return [...words, '--out', target].map(quoted).join(' ');
}

function wordsOf(flag: string, value: unknown): string[] {
  if (value === true) return [`--${flag}`];
  if (value === false) return [`--no-${flag}`];
  if (Array.isArray(value)) return [`--${flag}`, value.join(',')];
  if (typeof value !== 'object') return [`--${flag}`, String(value)];
  // The one option that is an object: --max-bad.
  const { percent, count } = value as { readonly percent?: number; readonly count?: number };
  return [`--${flag}`, percent === undefined ? String(count) : `${percent}%`];
}

/** One word for sh, bash and zsh; names with control characters for the last two. */
export function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (!/\p{Cc}/u.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
  const escaped = word.replace(/['\\]|\p{Cc}/gu, (character) => {
    const code = character.charCodeAt(0);
    if (code === 0x27 || code === 0x5c) return `\\${character}`;
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return `$'${escaped}'`;
}
