/** What a finished run of the demo looks like in a terminal: rows, how well they separate the classes, rejections. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const SHOWN_ROWS = 3;
const SHOWN_VALUES = 4;

type Row = Record<string, unknown> & { readonly target: string };

/** @param out folder of a run with the format json */
export function describeTable(out: string): string {
  const path = join(out, 'json', 'part-00000.json');
  const rows = linesOf(path).map((line) => JSON.parse(line) as Row);
  const rejected = linesOf(join(out, 'rejected.jsonl'));
  return [
    `The first rows of ${path}:`,
    ...rows.slice(0, SHOWN_ROWS).map((row) => `  ${shortened(row)}`),
    ...separation(rows),
    ...(rejected.length === 0 ? [] : ['Rejected, as a run reports by exit status 1:']),
    ...rejected.slice(0, SHOWN_ROWS).map((line) => `  ${line}`),
  ].join('\n');
}

/** A measure that needs no explanation; of one class alone it says nothing. */
function separation(rows: readonly Row[]): string[] {
  if (new Set(rows.map(({ target }) => target)).size < 2) return [];
  const column = Object.keys(rows[0]).find((name) => name.endsWith('_redux'));
  if (column === undefined) return [];
  const vectors = rows.map((row) => row[column] as number[]);
  const alike = rows.filter((row, i) => rows[nearestTo(i, vectors)].target === row.target);
  return [
    `By these vectors the nearest other image is of the same class for ${alike.length} of ${rows.length} images.`,
  ];
}

function nearestTo(i: number, vectors: readonly number[][]): number {
  const distances = vectors.map((other, j) =>
    j === i ? Infinity : vectors[i].reduce((sum, x, k) => sum + (x - other[k]) ** 2, 0),
  );
  return distances.indexOf(Math.min(...distances));
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').filter(Boolean);
}

function shortened(row: Row): string {
  const cells = Object.entries(row).map(([name, value]) => {
    if (!Array.isArray(value)) return `${name}=${value}`;
    const first = value.slice(0, SHOWN_VALUES).map((x) => Number(x.toPrecision(4)));
    return `${name}=[${first.join(', ')}, … ${value.length} values]`;
  });
  return cells.join('  ');
}
