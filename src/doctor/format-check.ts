import { printable } from '../json.ts';
import type { Paint } from '../terminal/colors.ts';
import type { Check, CheckName, Finding } from './check.ts';

const TITLES: Readonly<Record<CheckName, string>> = {
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
};

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
  const say = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  if (problems > 0) {
    const text = `${say(problems, 'problem')}, ${say(warnings, 'warning')}: see the fixes above.`;
    return `${paint.red(text)}\n`;
  }
  if (warnings > 0) return `${paint.yellow(`No problem, ${say(warnings, 'warning')}.`)}\n`;
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
