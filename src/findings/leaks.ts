import type { Collected } from './collect-rows.ts';
import type { ExactCopies } from './exact-copies.ts';
import { type Finding, type Match, makeFinding, rounded } from './finding.ts';
import type { MeasuredPair } from './near-pairs.ts';

/** Usual folder names for the parts of a data set. */
const USUAL_PARTS = /^(train|training|test|testing|val|valid|validation|dev|holdout)$/i;

/** More are no parts of a data set but something else. */
const MOST_PARTS = 8;

/** Which part each row is of. */
export interface Parts {
  /** Two or more, the first the one that the others must not share images with. */
  readonly names: readonly string[];
  /** Position in `names`, or -1. */
  readonly of: Int8Array;
}

/** Parts by the column `split`; those named, else all where there are two to eight. A row without a split is of no part. */
export function partsBySplit(
  splits: readonly string[],
  named: readonly string[] | undefined,
): Parts | undefined {
  const found = new Set(splits);
  found.delete('');
  if (named !== undefined && !named.every((name) => found.has(name))) return undefined;
  const names = named ?? inOrder(found);
  if (names.length < 2 || names.length > MOST_PARTS) return undefined;
  return { names, of: Int8Array.from(splits, (split) => names.indexOf(split)) };
}

/**
 * Parts by folder: those named, else those of the usual names (Training, Test, …) where there are two and more.
 * @param named folders, each one or several segments of an origin ("Test", "2024/test")
 */
export function partsByFolder(
  origins: readonly string[],
  named: readonly string[] | undefined,
): Parts | undefined {
  if (named !== undefined) {
    const names = named.map((name) => name.replace(/^\/+|\/+$/g, ''));
    return { names, of: Int8Array.from(origins, (origin) => partOf(origin, names)) };
  }
  const found = new Set<string>();
  for (const origin of origins) {
    const part = usualPart(origin);
    if (part !== undefined) found.add(part);
    if (found.size > MOST_PARTS) return undefined;
  }
  if (found.size < 2) return undefined;
  const names = inOrder(found);
  return {
    names,
    of: Int8Array.from(origins, (origin) => {
      const part = usualPart(origin);
      return part === undefined ? -1 : names.indexOf(part);
    }),
  };
}

/** What is trained on comes first. */
function inOrder(names: ReadonlySet<string>): string[] {
  const isTraining = (name: string) => /^train/i.test(name);
  return [...names].sort(
    (a, b) => Number(isTraining(b)) - Number(isTraining(a)) || (a < b ? -1 : 1),
  );
}

/** The innermost folder of a usual name; a file's own name is none. */
function usualPart(origin: string): string | undefined {
  const folders = origin.split('/').slice(0, -1);
  return folders.findLast((folder) => USUAL_PARTS.test(folder));
}

function partOf(origin: string, names: readonly string[]): number {
  const folders = `/${origin.slice(0, origin.lastIndexOf('/') + 1)}`;
  return names.findIndex((name) => folders.includes(`/${name}/`));
}

interface Leak {
  /** In the later part. */
  readonly row: number;
  readonly twin: number;
  readonly match: Match;
  readonly distance: number;
  readonly sha256?: string;
}

const STRENGTH: Readonly<Record<Match, number>> = { same_bytes: 0, same_features: 1, near: 2 };

/** Each image of a later part that has a copy in an earlier one, with its closest; one finding an image. */
export function findLeaks(
  rows: Collected,
  { names, of }: Parts,
  copies: ExactCopies,
  pairs: readonly MeasuredPair[],
  near: number,
): Finding[] {
  const leaks = new Map<number, Leak>();
  const note = (x: number, y: number, match: Match, distance: number, sha256?: string): void => {
    if (of[x] < 0 || of[y] < 0 || of[x] === of[y]) return;
    const [row, twin] = of[x] > of[y] ? [x, y] : [y, x];
    const leak = { row, twin, match, distance, ...(sha256 !== undefined && { sha256 }) };
    const before = leaks.get(row);
    if (before === undefined || isCloser(leak, before)) leaks.set(row, leak);
  };
  for (const { rows: group, match, sha256 } of copies.groups) {
    for (const twin of firstOfEachPart(group, of)) {
      for (const row of group) note(row, twin, match, 0, sha256);
    }
  }
  const standsFor = new Map(copies.equalVectors.map((group) => [group[0], group]));
  for (const { a, b, distance } of pairs) {
    const left = standsFor.get(a) ?? [a];
    const right = standsFor.get(b) ?? [b];
    for (const x of firstOfEachPart(left, of)) for (const y of right) note(x, y, 'near', distance);
    for (const y of firstOfEachPart(right, of)) for (const x of left) note(x, y, 'near', distance);
  }
  return [...leaks.values()].sort(byStrength).map(({ row, twin, match, distance, sha256 }) => {
    const evidence = {
      parts: [names[of[row]], names[of[twin]]],
      match,
      distance: rounded(distance),
      ...(sha256 !== undefined && { sha256 }),
    };
    return makeFinding('leak', rows, [row, twin], evidence, match === 'near' ? near : null);
  });
}

function isCloser(leak: Leak, before: Leak): boolean {
  return (
    STRENGTH[leak.match] - STRENGTH[before.match] < 0 ||
    (leak.match === before.match && leak.distance < before.distance)
  );
}

function byStrength(x: Leak, y: Leak): number {
  return STRENGTH[x.match] - STRENGTH[y.match] || x.distance - y.distance || x.row - y.row;
}

function firstOfEachPart(group: readonly number[], of: Int8Array): number[] {
  const first = new Map<number, number>();
  for (const row of group) if (!first.has(of[row])) first.set(of[row], row);
  return [...first.values()];
}
