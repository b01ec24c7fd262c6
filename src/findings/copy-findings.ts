import type { Collected } from './collect-rows.ts';
import type { CopyGroup } from './exact-copies.ts';
import { type Finding, MAX_ORIGINS } from './finding.ts';
import type { MeasuredPair } from './measured-pairs.ts';
import { rounded } from './rounded.ts';

/** The names and classes of some rows, as a finding lists them. */
export function named(rows: Collected, of: readonly number[]) {
  const shown = of.length > MAX_ORIGINS ? someOfEachClass(rows, of) : of;
  return {
    origins: shown.map((row) => rows.origins[row]),
    classes: shown.map((row) => rows.classes[rows.targets[row]]),
    images: of.length,
  };
}

/** As many rows as a finding lists: the first of each class, then the first of all. */
function someOfEachClass({ targets }: Collected, of: readonly number[]): number[] {
  const seen = new Set<number>();
  const isFirst = (row: number) => !seen.has(targets[row]) && seen.add(targets[row]);
  const chosen = new Set(of.filter(isFirst).slice(0, MAX_ORIGINS));
  for (const row of of) if (chosen.size < MAX_ORIGINS) chosen.add(row);
  return of.filter((row) => chosen.has(row));
}

export function copyFinding(rows: Collected, group: CopyGroup): Finding {
  const { match, sha256, bytes, reason } = group;
  return {
    kind: match === 'same_bytes' ? 'exact_duplicate' : 'same_features',
    ...named(rows, group.rows),
    evidence:
      match === 'same_bytes' ? { sha256: sha256!, bytes: bytes! } : { distance: 0, bytes: reason! },
    threshold: null,
  };
}

/** Images linked by near pairs, one finding for each connected set; the closest first. */
export function nearGroups(
  rows: Collected,
  pairs: readonly MeasuredPair[],
  near: number,
): Finding[] {
  const parent = new Map<number, number>();
  const rootOf = (row: number): number => {
    let root = row;
    for (let up = parent.get(root); up !== undefined && up !== root; up = parent.get(root)) {
      root = up;
    }
    parent.set(row, root);
    return root;
  };
  for (const { a, b } of pairs) {
    const [x, y] = [rootOf(a), rootOf(b)];
    parent.set(Math.max(x, y), Math.min(x, y));
    if (x === y) parent.set(x, x);
  }
  const groups = new Map<number, { rows: Set<number>; pairs: MeasuredPair[] }>();
  for (const pair of pairs) {
    const root = rootOf(pair.a);
    let group = groups.get(root);
    if (group === undefined) {
      group = { rows: new Set(), pairs: [] };
      groups.set(root, group);
    }
    group.rows.add(pair.a).add(pair.b);
    group.pairs.push(pair);
  }
  // Pairs come by distance, so groups come by their closest pair.
  return [...groups.values()].map((group) => ({
    kind: 'near_duplicate',
    ...named(
      rows,
      [...group.rows].sort((a, b) => a - b),
    ),
    evidence: {
      closest: rounded(group.pairs[0].distance),
      widestLink: rounded(group.pairs.at(-1)!.distance),
      pairs: group.pairs.length,
    },
    threshold: near,
  }));
}
