import { styleText } from 'node:util';

/** The few styles that the output uses; each gives its text back unchanged where colours are off. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
}

export function createPaint(isOn: boolean): Paint {
  const style = (format: keyof Paint) => (text: string) =>
    isOn ? styleText(format, text, { validateStream: false }) : text;
  return {
    bold: style('bold'),
    dim: style('dim'),
    red: style('red'),
    green: style('green'),
    yellow: style('yellow'),
  };
}

/**
 * Whether a stream gets colours: `--color` or `--no-color` decides, then IMG2FEATURES_COLOR, NO_COLOR
 * (no-color.org: any value that is not empty), FORCE_COLOR, and last whether the stream is a terminal.
 */
export function wantsColors(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): boolean {
  const end = argv.indexOf('--');
  const given = (end === -1 ? argv : argv.slice(0, end)).findLast((word) =>
    /^--(no-)?color(=|$)/.test(word),
  );
  if (given !== undefined) return given === '--color' || given === '--color=true';
  if (env.IMG2FEATURES_COLOR) return /^(true|1)$/.test(env.IMG2FEATURES_COLOR);
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  return isTerminal && env.TERM !== 'dumb';
}
