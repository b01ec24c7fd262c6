import { isImg2FeaturesError } from '../errors.ts';
import { printable } from '../json.ts';
import type { Json } from '../run/fingerprint.ts';
import type { Paint } from '../terminal/colors.ts';
import { plural } from '../terminal/units.ts';

/** The checks by name, in the order they are made and shown, and how people see them; `--json` uses the names as keys. */
const TITLES = {
  node: 'Node',
  cpu: 'CPU',
  memory: 'Memory',
  tensorflow: 'TensorFlow',
  gpu: 'GPU',
  images: 'Images',
  golden: 'Numbers',
  model: 'Model',
  speed: 'Speed',
  disk: 'Disk',
  s3: 'S3',
} as const;

export type CheckName = keyof typeof TITLES;

export const CHECK_NAMES = Object.keys(TITLES) as readonly CheckName[];

/**
 * `note`: good to know, nothing is wrong. `warning`: works, but less well than it could. `problem`:
 * something that was asked for, or that every run needs, does not work.
 */
type Severity = 'note' | 'warning' | 'problem';

/** What a check found; what is wrong always comes with what to do. */
export type Finding =
  | { readonly severity: 'note'; readonly message: string; readonly fix?: string }
  | {
      readonly severity: 'warning' | 'problem';
      readonly message: string;
      readonly fix: string;
    };

/** One check's answer, for people and for machines. */
export interface Check {
  readonly name: CheckName;
  /** The worst of its findings. */
  readonly status: 'ok' | Severity;
  /** One line. */
  readonly summary: string;
  /** Further lines for people. */
  readonly details: readonly string[];
  readonly findings: readonly Finding[];
  /** The same for machines: names stay, units are in the names, null is "not known". */
  readonly facts: Readonly<Record<string, Json>>;
}

interface CheckParts {
  readonly summary: string;
  readonly details?: readonly string[];
  /** Those that do not apply are false or undefined. */
  readonly findings?: readonly (Finding | false | undefined)[];
  /** Undefined becomes null. */
  readonly facts?: Readonly<Record<string, Json | undefined>>;
}

const ORDER = ['ok', 'note', 'warning', 'problem'] as const;

export function makeCheck(name: CheckName, parts: CheckParts): Check {
  const { summary, details = [], facts = {} } = parts;
  const findings = (parts.findings ?? []).filter((one): one is Finding => Boolean(one));
  const known = Object.entries(facts).map(([key, value]) => [key, value ?? null]);
  return {
    name,
    status: worstOf(findings.map(({ severity }) => severity)),
    summary,
    details,
    findings,
    facts: Object.fromEntries(known),
  };
}

/** A failure as a finding. @param fix where the error names none @throws the signal's reason; an error that is not ours */
export function problemOf(error: unknown, fix: string, signal?: AbortSignal) {
  signal?.throwIfAborted();
  if (!isImg2FeaturesError(error)) throw error;
  return { severity: 'problem', message: error.message, fix: error.fix ?? fix } as const;
}

export function worstOf(states: readonly Check['status'][]): Check['status'] {
  return ORDER[Math.max(0, ...states.map((state) => ORDER.indexOf(state)))];
}

const STATUS_WIDTH = 9;
const TITLE_WIDTH = 12;
const INDENT = ' '.repeat(STATUS_WIDTH + TITLE_WIDTH);
/** Lines longer than this are hard to read, however wide the terminal is. */
const WIDEST = 100;

/** One check for people: status, title, summary; below it what else is known, and what to do. */
export function formatCheck(check: Check, columns: number, paint: Paint): string {
  const width = Math.max(60, Math.min(columns, WIDEST)) - INDENT.length;
  const mark = { ok: paint.green, note: paint.bold, warning: paint.yellow, problem: paint.red };
  const [first = '', ...rest] = wrap(printable(check.summary), width);
  const lines = [
    mark[check.status](check.status.padEnd(STATUS_WIDTH)) +
      paint.bold(TITLES[check.name].padEnd(TITLE_WIDTH)) +
      first,
    ...rest.map((line) => INDENT + line),
    ...check.details.flatMap((detail) =>
      wrap(printable(detail), width).map((line) => INDENT + paint.dim(line)),
    ),
    ...check.findings.flatMap((finding) => findingLines(finding, width, mark[finding.severity])),
  ];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** The last line: the result of all checks. */
export function formatVerdict(checks: readonly Check[], paint: Paint): string {
  const count = (status: Check['status']) => checks.filter((c) => c.status === status).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  if (problems > 0) {
    const text = `${plural(problems, 'problem')}, ${plural(warnings, 'warning')}: see the fixes above.`;
    return `${paint.red(text)}\n`;
  }
  if (warnings > 0) return `${paint.yellow(`No problem, ${plural(warnings, 'warning')}.`)}\n`;
  return `${paint.green('All is well.')}\n`;
}

function findingLines(
  { severity, message, fix }: Finding,
  width: number,
  mark: (text: string) => string,
): string[] {
  const said = wrap(printable(message), width).map((line) => INDENT + mark(line));
  if (!fix) return said;
  // Where nothing is wrong there is nothing to fix.
  const label = severity === 'note' ? 'Hint' : 'Fix';
  return [...said, ...wrap(`${label}: ${printable(fix)}`, width).map((line) => INDENT + line)];
}

/** Breaks at spaces; a word longer than the line (a path, a hash) stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
