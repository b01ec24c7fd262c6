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
  for (const { a, b, match, distance, sha256 } of twins(of, { copies, pairs })) {
    note(a, b, match, distance, sha256);
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

/** What is known of copies and near copies. */
export interface KnownCopies {
  readonly copies: Pick<ExactCopies, 'equalVectors' | 'groups'>;
  readonly pairs: readonly MeasuredPair[];
}

/** Two rows that are copies or near copies, for each row with the first such one of each part. */
function* twins(of: Int8Array, { copies, pairs }: KnownCopies) {
  for (const { rows: group, match, sha256 } of copies.groups) {
    for (const b of firstOfEachPart(group, of)) {
      for (const a of group) yield { a, b, match, distance: 0, sha256 };
    }
  }
  const standsFor = new Map(copies.equalVectors.map((group) => [group[0], group]));
  for (const { a: first, b: second, distance } of pairs) {
    const left = standsFor.get(first) ?? [first];
    const right = standsFor.get(second) ?? [second];
    const near = { match: 'near', distance, sha256: undefined } as const;
    for (const a of firstOfEachPart(left, of)) for (const b of right) yield { a, b, ...near };
    for (const b of firstOfEachPart(right, of)) for (const a of left) yield { a, b, ...near };
  }
}

/** Rows that have a copy or near copy in another part. */
export function rowsWithTwins(of: Int8Array, known: KnownCopies): ReadonlySet<number> {
  const rows = new Set<number>();
  for (const { a, b } of twins(of, known)) {
    if (of[a] >= 0 && of[b] >= 0 && of[a] !== of[b]) rows.add(a).add(b);
  }
  return rows;
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
