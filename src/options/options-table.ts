import {
  describeOption,
  EXTRACT_OPTIONS,
  MODE_HELP,
  type OptionDefinition,
} from './extract-options.ts';
import { flagName } from './option-keys.ts';

/** The options of `extract` as a Markdown table; docs/options.md holds it, and a test compares the two. */
export function optionsTable(): string {
  const rows = Object.entries<OptionDefinition>(EXTRACT_OPTIONS).map(([key, definition]) => {
    const { default: fallback, defaultText, modes } = definition;
    const shown = defaultText ?? String(fallback);
    const only = modes === undefined ? '' : ` (${modes.join(', ')})`;
    return `| \`--${flagName(key)}\` | ${shown} | ${describeOption(definition).replaceAll('|', '\\|')}${only} |`;
  });
  return [
    '| option | default | meaning |',
    '|---|---|---|',
    `| \`--mode\` | | ${MODE_HELP} |`,
    '| `--out` | | Folder or s3://bucket/prefix for the table |',
    ...rows,
    '| `--log` | text | text, or json: one event a line on stdout |',
    '| `--quiet` | false | Only the summary and errors |',
    '| `--color` | on a terminal, without NO_COLOR | Colours of errors, warnings and doctor (--no-color: none) |',
    '| `--config` | | JSON file with any of these options |',
  ].join('\n');
}
