import type { Collected } from './collect-rows.ts';
import type { CopyGroup } from './exact-copies.ts';
import { type ClassCount, type Finding, makeFinding, rounded } from './finding.ts';
import type { MeasuredPair } from './near-pairs.ts';

/** Exact copies, then images that are nearly the same. */
export function findCopies(
  rows: Collected,
  copies: readonly CopyGroup[],
  pairs: readonly MeasuredPair[],
  near: number,
): Finding[] {
  const exact = copies.map(({ rows: of, match, sha256, bytes, reason }) =>
    match === 'same_bytes'
      ? makeFinding('exact_duplicate', rows, of, { sha256: sha256!, bytes: bytes! })
      : makeFinding('same_features', rows, of, { distance: 0, bytes: reason! }),
  );
  return [...exact, ...nearGroups(rows, pairs, near)];
}

/** Images linked by near pairs, one finding for each connected set; the closest first. */
function nearGroups(rows: Collected, pairs: readonly MeasuredPair[], near: number): Finding[] {
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
  return [...groups.values()].map(({ rows: of, pairs: linked }) => {
    const evidence = {
      closest: rounded(linked[0].distance),
      widestLink: rounded(linked.at(-1)!.distance),
      pairs: linked.length,
    };
    const ascending = [...of].sort((a, b) => a - b);
    return makeFinding('near_duplicate', rows, ascending, evidence, near);
  });
}

/** The same image under two classes: one of the labels is wrong, or both are intended. */
export function findTwoClasses(
  rows: Collected,
  copies: readonly CopyGroup[],
  pairs: readonly MeasuredPair[],
  near: number,
): Finding[] {
  const isMixed = (of: readonly number[]) =>
    of.some((row) => rows.targets[row] !== rows.targets[of[0]]);
  const find = (of: readonly number[], how: Finding['evidence'], threshold: number | null) =>
    makeFinding('two_classes', rows, of, { ...how, classes: countClasses(rows, of) }, threshold);
  const exact = copies
    .filter((group) => isMixed(group.rows))
    .map(({ rows: of, match, sha256, reason }) => {
      const proof: Finding['evidence'] =
        match === 'same_bytes' ? { sha256: sha256! } : { distance: 0, bytes: reason! };
      return find(of, { match, ...proof }, null);
    });
  const nearly = pairs
    .filter(({ a, b }) => isMixed([a, b]))
    .map(({ a, b, distance }) =>
      find([a, b], { match: 'near', distance: rounded(distance) }, near),
    );
  return [...exact, ...nearly];
}

/** Every class with its images, in the order of the rows: a finding lists fewer names than there can be classes. */
function countClasses({ classes, targets }: Collected, of: readonly number[]): ClassCount[] {
  const counts = new Map<number, number>();
  for (const row of of) counts.set(targets[row], (counts.get(targets[row]) ?? 0) + 1);
  return [...counts].map(([target, images]) => ({ class: classes[target], images }));
}
