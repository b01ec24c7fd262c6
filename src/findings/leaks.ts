import type { Collected } from './collect-rows.ts';
import { named } from './copy-findings.ts';
import type { ExactCopies } from './exact-copies.ts';
import type { Finding, Match } from './finding.ts';
import type { MeasuredPair } from './measured-pairs.ts';
import type { Parts } from './parts.ts';
import { rounded } from './rounded.ts';

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
  return [...leaks.values()].sort(byStrength).map((leak) => ({
    kind: 'leak',
    ...named(rows, [leak.row, leak.twin]),
    evidence: {
      parts: [names[of[leak.row]], names[of[leak.twin]]],
      match: leak.match,
      distance: rounded(leak.distance),
      ...(leak.sha256 !== undefined && { sha256: leak.sha256 }),
    },
    threshold: leak.match === 'near' ? near : null,
  }));
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
