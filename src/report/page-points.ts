import type { Collected } from '../findings/collect-rows.ts';
import type { Finding } from '../findings/finding.ts';
import { base64, MAX_VALUE_BYTES, type PagePoints } from './page-data.ts';

/**
 * The rows that the page shows: all, or `most` of them: those of the findings, then evenly through the table.
 * @returns ascending
 */
export function choosePoints(count: number, first: readonly number[], most: number): Uint32Array {
  if (count <= most) return Uint32Array.from({ length: count }, (_, i) => i);
  const chosen = new Uint8Array(count);
  let left = most;
  const take = (row: number): void => {
    if (left === 0 || chosen[row] === 1) return;
    chosen[row] = 1;
    left--;
  };
  for (const row of first) take(row);
  const step = count / Math.max(1, left);
  for (let x = 0; x < count; x += step) take(Math.floor(x));
  for (let row = 0; row < count && left > 0; row++) take(row);
  return Uint32Array.from({ length: count }, (_, i) => i).filter((row) => chosen[row] === 1);
}

/**
 * Rows in the order in which they get a picture: those of the findings, then one of each class in turn, so
 * that any beginning of the list is spread over the classes.
 */
export function* pictureOrder(
  rows: Uint32Array,
  targets: Uint32Array,
  classes: number,
  first: readonly number[],
): Generator<number> {
  const given = new Set<number>();
  for (const row of first) {
    if (given.has(row)) continue;
    given.add(row);
    yield row;
  }
  const members: number[][] = Array.from({ length: classes }, () => []);
  for (const row of rows) if (!given.has(row)) members[targets[row]].push(row);
  // The bits of the turn in reverse order: early pictures of a class are far apart in it.
  const orders = members.filter((of) => of.length > 0).map(spread);
  for (let turn = 0; orders.some((of) => turn < of.length); turn++) {
    for (const of of orders) if (turn < of.length) yield of[turn];
  }
}

function spread(rows: readonly number[]): number[] {
  const bits = Math.ceil(Math.log2(rows.length));
  const order: number[] = [];
  for (let i = 0; i < 1 << bits; i++) {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed |= ((i >> bit) & 1) << (bits - 1 - bit);
    if (reversed < rows.length) order.push(rows[reversed]);
  }
  return order;
}

export function rowsByOrigin(
  origins: readonly string[],
  ownCount: number,
  shown: readonly Finding[],
) {
  const names = new Set(shown.flatMap(({ origins: named }) => named));
  const rows = new Map<string, number>();
  for (let row = 0; row < ownCount && names.size > 0; row++) {
    if (names.has(origins[row])) rows.set(origins[row], row);
  }
  return rows;
}

export function pointsByRow(
  chosen: Uint32Array,
  count: number,
): (row: number) => number | undefined {
  if (chosen.length === count) return (row) => row;
  const points = new Map<number, number>();
  chosen.forEach((row, point) => {
    points.set(row, point);
  });
  return (row) => points.get(row);
}

/** The chosen rows in the form that the page needs. @param ownRows rows of the run itself */
export function pagePoints(
  rows: Collected,
  chosen: Uint32Array,
  ownRows: number,
  typical: number,
  output: string,
): PagePoints {
  const n = chosen.length;
  const k = Math.min(rows.k, Math.max(2, Math.floor(MAX_VALUE_BYTES / (4 * Math.max(1, n)))));
  const values = new Float32Array(n * k);
  const targets = new Uint32Array(n);
  const shared = new Uint16Array(n);
  const rests: string[] = [];
  let last = '';
  chosen.forEach((row, i) => {
    for (let c = 0; c < k; c++) values[i * k + c] = rows.reduced[row * rows.k + c] / typical;
    targets[i] = rows.targets[row];
    const origin = rows.origins[row];
    const most = Math.min(last.length, origin.length, 0xffff);
    let same = 0;
    while (same < most && last.charCodeAt(same) === origin.charCodeAt(same)) same++;
    shared[i] = same;
    rests.push(origin.slice(same));
    last = origin;
  });
  return {
    count: n,
    rows: ownRows,
    k,
    output,
    values: base64(values),
    targets: base64(targets),
    shared: base64(shared),
    rests,
  };
}
