import type { Collected } from '../findings/collect-rows.ts';
import { featureSpace } from '../findings/feature-space.ts';
import { FINDING_KINDS, type Finding } from '../findings/finding.ts';
import type { Parts } from '../findings/leaks.ts';
import { centreDistances } from '../findings/outliers.ts';
import { spread } from '../quality/sides.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { base64, MAX_VALUE_BYTES, type PageLayer, type PagePoints } from './page-data.ts';

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
 * Rows in the order in which they get a picture: the first ones, then one of each class in turn, so
 * that any beginning of the list is spread over the classes.
 * @param first rows of findings and of the classes' strips
 */
export function* pictureOrder(
  rows: Uint32Array,
  targets: Uint32Array,
  classes: number,
  first: Iterable<number>,
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

/** Most pictures of all strips together, and of one. */
const STRIPS = { all: 1500, one: 12, fewest: 3 };

/**
 * Of each class some rows from the most typical to the oddest, evenly by rank: by their distance from the median of
 * each component. The largest classes have one, as many as there is room for.
 */
export function classStrips(
  rows: Collected,
  chosen: Uint32Array,
  classCounts: readonly number[],
): number[][] {
  const { classes, targets } = rows;
  const largest = classes.map((_, i) => i).sort((a, b) => classCounts[b] - classCounts[a] || a - b);
  const most = Math.floor(STRIPS.all / Math.max(1, classes.length));
  const length = Math.min(STRIPS.one, Math.max(STRIPS.fewest, most));
  const withStrip = new Set(largest.slice(0, Math.floor(STRIPS.all / length)));
  const members: number[][] = classes.map(() => []);
  for (const row of chosen) if (withStrip.has(targets[row])) members[targets[row]].push(row);
  return members.map((of) => {
    const distances = centreDistances(rows, of);
    const order = of.map((_, i) => i).sort((a, b) => distances[a] - distances[b] || a - b);
    const n = Math.min(length, of.length);
    const rankOf = (i: number) => (n === 1 ? 0 : Math.round((i * (of.length - 1)) / (n - 1)));
    return Array.from({ length: n }, (_, i) => of[order[rankOf(i)]]);
  });
}

/** Bits of the kinds of findings that name each row. */
export function findingKinds(
  findings: readonly Finding[],
  rowOf: ReadonlyMap<string, number>,
  count: number,
): Uint8Array {
  const kinds = new Uint8Array(count);
  for (const { kind, origins } of findings) {
    const bit = 1 << FINDING_KINDS.indexOf(kind);
    for (const origin of origins) {
      const row = rowOf.get(origin);
      if (row !== undefined) kinds[row] |= bit;
    }
  }
  return kinds;
}

export function rowsByOrigin(
  origins: readonly string[],
  ownCount: number,
  findings: readonly Finding[],
): Map<string, number> {
  const names = new Set<string>();
  for (const { origins: named } of findings) for (const name of named) names.add(name);
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

/** A layer's reduced vectors of all rows, and what they mean. */
interface Layer {
  readonly label: string;
  readonly k: number;
  /** [rows, k] */
  readonly reduced: Float64Array | Float32Array;
  readonly typical: number;
  readonly variance: readonly number[];
}

/**
 * The layers of a run: the first, and those of which the rows were kept.
 * @param labels of all layers
 * @param reducers of all layers; only one, or none, for a run that kept no components
 */
export function layersOf(
  rows: Collected,
  labels: readonly string[],
  reducers: readonly Reducer[],
): Layer[] {
  return [rows.reduced, ...rows.others].flatMap((reduced, i) => {
    const reducer: Reducer | undefined = reducers[i];
    const k = i === 0 ? rows.k : (reducer?.k ?? 0);
    if (i > 0 && (k === 0 || reduced.length < rows.count * k)) return [];
    const typical = reducer === undefined ? 1 : featureSpace(reducer).typical;
    const variance = [...(reducer?.explainedVarianceRatio ?? [])];
    return [{ label: labels[i], k, reduced, typical, variance }];
  });
}

/** A chosen row's place in each layer, in as many components as there is room for. */
function pageLayers(layers: readonly Layer[], chosen: Uint32Array): PageLayer[] {
  const n = Math.max(1, chosen.length);
  const most = Math.max(2, Math.floor(MAX_VALUE_BYTES / (4 * n * layers.length)));
  return layers.map(({ label, k: all, reduced, typical, variance }) => {
    const k = Math.min(all, most);
    const values = new Float32Array(chosen.length * k);
    chosen.forEach((row, i) => {
      for (let c = 0; c < k; c++) values[i * k + c] = reduced[row * all + c] / typical;
    });
    return { label, k, values: base64(values), variance };
  });
}

interface PointFacts {
  readonly layers: readonly Layer[];
  /** Bits of the findings' kinds, by row. */
  readonly kinds: Uint8Array;
  readonly parts: Parts | undefined;
  /** Rows of the run itself. */
  readonly ownRows: number;
}

/** The chosen rows in the form that the page needs. */
export function pagePoints(
  rows: Collected,
  chosen: Uint32Array,
  { layers, kinds, parts, ownRows }: PointFacts,
): PagePoints {
  const n = chosen.length;
  const targets = new Uint32Array(n);
  const shared = new Uint16Array(n);
  const rests: string[] = [];
  let last = '';
  chosen.forEach((row, i) => {
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
    layers: pageLayers(layers, chosen),
    targets: base64(targets),
    kinds: base64(Uint8Array.from(chosen, (row) => kinds[row])),
    ...(parts !== undefined && {
      parts: { names: parts.names, of: base64(Int8Array.from(chosen, (row) => parts.of[row])) },
    }),
    shared: base64(shared),
    rests,
  };
}
