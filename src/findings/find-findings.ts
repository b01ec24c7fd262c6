import type { FindingKind, KindCount } from '../events.ts';
import { printableJson } from '../json.ts';
import type { Json } from '../run/fingerprint.ts';
import type { Collected, RunRows } from './collect-rows.ts';
import { findCopies, findTwoClasses } from './copy-findings.ts';
import { findExactCopies, type ImageBodies } from './exact-copies.ts';
import type { FeatureSpace } from './feature-space.ts';
import { FINDING_KINDS, type Finding, SAME_IMAGE } from './finding.ts';
import { findLeaks, type KnownCopies, type Parts } from './leaks.ts';
import { findMeasuredPairs, type MeasuredPairs } from './near-pairs.ts';
import { OUTLIER_SCORE, outlierFindings } from './outliers.ts';

/** Findings of one kind in findings.jsonl; run.json counts all. */
export const MAX_LISTED = 10_000;

export interface FindingsInput {
  readonly source: RunRows;
  readonly rows: Collected;
  /** Rows of the run itself; those behind are of a run that it is compared with. */
  readonly ownCount: number;
  /** Undefined where there are no components: then only equal vectors are found. */
  readonly space: FeatureSpace | undefined;
  readonly bodies: ImageBodies;
  readonly parts: Parts | undefined;
  /** Share of the typical distance within which two images are near duplicates. */
  readonly near: number;
}

export interface Findings {
  /** By kind, the strongest first. */
  readonly findings: Finding[];
  readonly near: number;
  readonly outlierScore: number;
  /** False when a limit ended the search for pairs. */
  readonly isComplete: boolean;
  readonly measuredIn: 'features' | 'components' | 'equality';
  readonly parts: readonly string[];
  readonly known: KnownCopies;
}

/** All findings of a finished table; see finding.ts for the kinds. */
export async function findFindings(input: FindingsInput): Promise<Findings> {
  const { rows, ownCount, space, bodies, parts, near } = input;
  const equalVectors = rowsOfEqualHash(rows.hashes, rows.count);
  const measured = await findPairs(input, equalVectors);
  const close = measured.pairs.filter(({ distance }) => distance < SAME_IMAGE);
  const copies = await findExactCopies(equalVectors, close, bodies);
  const pairs = measured.pairs.filter(({ distance }) => distance <= near);
  const own = (row: number) => row < ownCount;
  const copiesHere = copies.groups
    .map((group) => ({ ...group, rows: group.rows.filter(own) }))
    .filter((group) => group.rows.length > 1);
  const pairsHere = pairs.filter(({ a, b }) => own(a) && own(b) && !copies.hasSameBytes(a, b));
  const found = [
    ...(parts === undefined ? [] : findLeaks(rows, parts, copies, pairs, near)),
    ...findTwoClasses(rows, copiesHere, pairsHere, near),
    ...findCopies(rows, copiesHere, pairsHere, near),
    ...(space === undefined ? [] : outlierFindings(rows, ownCount, space)),
  ];
  return {
    findings: found,
    near,
    outlierScore: OUTLIER_SCORE,
    isComplete: measured.isComplete,
    measuredIn: space === undefined ? 'equality' : measured.measuredIn,
    parts: parts?.names ?? [],
    known: { copies: { equalVectors, groups: copies.groups }, pairs },
  };
}

/** Of each row the first of those that findings take for copies or near copies of it, chains of them included. */
export async function groupSameImages(
  input: Omit<PairsInput, 'ownCount'>,
): Promise<{ readonly groupOf: Uint32Array; readonly isComplete: boolean }> {
  const { count, hashes } = input.rows;
  const groupOf = Uint32Array.from({ length: count }, (_, row) => row);
  const firstOf = (row: number): number => {
    let first = row;
    while (groupOf[first] !== first) {
      groupOf[first] = groupOf[groupOf[first]];
      first = groupOf[first];
    }
    return first;
  };
  const join = (a: number, b: number): void => {
    const [x, y] = [firstOf(a), firstOf(b)];
    groupOf[Math.max(x, y)] = Math.min(x, y);
  };
  const equal = rowsOfEqualHash(hashes, count);
  for (const [first, ...others] of equal) for (const row of others) join(first, row);
  const { pairs, isComplete } = await findPairs({ ...input, ownCount: count }, equal);
  for (const { a, b } of pairs) join(a, b);
  for (let row = 0; row < count; row++) groupOf[row] = firstOf(row);
  return { groupOf, isComplete };
}

type PairsInput = Pick<FindingsInput, 'source' | 'rows' | 'ownCount' | 'space' | 'near'>;

/** Pairs of different vectors within `near`, and within SAME_IMAGE in any case; of rows with equal ones the first represents all. */
async function findPairs(input: PairsInput, equal: readonly number[][]): Promise<MeasuredPairs> {
  const { source, rows, ownCount, space } = input;
  const near = Math.max(input.near, SAME_IMAGE);
  if (space === undefined || rows.k === 0) {
    return { pairs: [], isComplete: true, measuredIn: 'components' };
  }
  const isStoodFor = new Uint8Array(rows.count);
  for (const group of equal) for (const row of group.slice(1)) isStoodFor[row] = 1;
  const of = Uint32Array.from({ length: rows.count }, (_, i) => i).filter((i) => !isStoodFor[i]);
  // A first row of the other run can represent rows of this one; the leaks need such pairs.
  const wants =
    ownCount === rows.count ? undefined : (a: number, b: number) => a < ownCount || b < ownCount;
  return findMeasuredPairs(source, rows, space, { near, of, wants });
}

/** Rows whose hashes agree, in groups of two and more; rows ascend in a group, groups by their first row. */
function rowsOfEqualHash(hashes: Uint32Array, count: number): number[][] {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  order.sort(
    (a, b) => hashes[2 * a] - hashes[2 * b] || hashes[2 * a + 1] - hashes[2 * b + 1] || a - b,
  );
  const groups: number[][] = [];
  for (let start = 0; start < count; ) {
    const first = order[start];
    let end = start + 1;
    while (end < count && isEqual(hashes, first, order[end])) end++;
    if (end - start > 1) groups.push([...order.subarray(start, end)]);
    start = end;
  }
  return groups.sort((a, b) => a[0] - b[0]);
}

function isEqual(hashes: Uint32Array, a: number, b: number): boolean {
  return hashes[2 * a] === hashes[2 * b] && hashes[2 * a + 1] === hashes[2 * b + 1];
}

/** At most so many of each kind, by kind. */
export function firstOfEachKind({ findings }: Findings, most: number): Finding[] {
  return FINDING_KINDS.flatMap((kind) =>
    findings.filter((finding) => finding.kind === kind).slice(0, most),
  );
}

/** findings.jsonl: one finding a line, by kind; the same rows and images always give the same bytes. */
export function findingsLines(found: Findings): string {
  return firstOfEachKind(found, MAX_LISTED)
    .map((finding) => `${printableJson(finding)}\n`)
    .join('');
}

export function countFindings({ findings }: Findings): Record<FindingKind, KindCount> {
  return Object.fromEntries(
    FINDING_KINDS.map((kind) => {
      const all = findings.filter((finding) => finding.kind === kind);
      const images = all.reduce((sum, finding) => sum + finding.images, 0);
      return [kind, { findings: all.length, listed: Math.min(all.length, MAX_LISTED), images }];
    }),
  ) as Record<FindingKind, KindCount>;
}

/** What run.json says of the findings. */
export function summarizeFindings(found: Findings): Json {
  const { near, outlierScore, isComplete, measuredIn, parts } = found;
  return {
    thresholds: { near, outlierScore },
    measuredIn,
    complete: isComplete,
    compared: [...parts],
    counts: countFindings(found) as unknown as Json,
  };
}
