import type { Collected } from './collect-rows.ts';
import { named } from './copy-findings.ts';
import type { CopyGroup } from './exact-copies.ts';
import type { ClassCount, Finding } from './finding.ts';
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
    of.some((row) => rows.targets[row] !== rows.targets[of[0]]);
  const exact = copies
    .filter((group) => isMixed(group.rows))
    .map((group): Finding => {
      const { match } = group;
      const evidence: Finding['evidence'] =
        match === 'same_bytes'
          ? { match, sha256: group.sha256! }
          : { match, distance: 0, bytes: group.reason! };
      const classes = countClasses(rows, group.rows);
      return {
        kind: 'two_classes',
        ...named(rows, group.rows),
        evidence: { ...evidence, classes },
        threshold: null,
      };
    });
  const nearly = pairs
    .filter(({ a, b }) => isMixed([a, b]))
    .map(
      ({ a, b, distance }): Finding => ({
        kind: 'two_classes',
        ...named(rows, [a, b]),
        evidence: {
          match: 'near',
          distance: rounded(distance),
          classes: countClasses(rows, [a, b]),
        },
        threshold: near,
      }),
    );
  return [...exact, ...nearly];
}

/** Every class with its images, in the order of the rows: a finding lists fewer names than there can be classes. */
function countClasses({ classes, targets }: Collected, of: readonly number[]): ClassCount[] {
  const counts = new Map<number, number>();
  for (const row of of) counts.set(targets[row], (counts.get(targets[row]) ?? 0) + 1);
  return [...counts].map(([target, images]) => ({ class: classes[target], images }));
}
