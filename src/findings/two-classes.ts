import type { Collected } from './collect-rows.ts';
import { named } from './copy-findings.ts';
import type { CopyGroup } from './exact-copies.ts';
import type { Finding } from './finding.ts';
import type { MeasuredPair } from './measured-pairs.ts';
import { rounded } from './rounded.ts';

/** The same image under two classes: one of the labels is wrong, or both are intended. */
export function findTwoClasses(
  rows: Collected,
  copies: readonly CopyGroup[],
  pairs: readonly MeasuredPair[],
  near: number,
): Finding[] {
  const isMixed = (of: readonly number[]) =>
    of.some((row) => rows.targets[row] !== rows.targets[of[0]!]);
  const exact = copies
    .filter((group) => isMixed(group.rows))
    .map((group): Finding => {
      const { match } = group;
      const evidence: Finding['evidence'] =
        match === 'same_bytes'
          ? { match, sha256: group.sha256! }
          : { match, distance: 0, bytes: group.reason! };
      return { kind: 'two_classes', ...named(rows, group.rows), evidence, threshold: null };
    });
  const nearly = pairs
    .filter(({ a, b }) => isMixed([a, b]))
    .map(
      ({ a, b, distance }): Finding => ({
        kind: 'two_classes',
        ...named(rows, [a, b]),
        evidence: { match: 'near', distance: rounded(distance) },
        threshold: near,
      }),
    );
  return [...exact, ...nearly];
}
