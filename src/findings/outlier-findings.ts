import type { Collected } from './collect-rows.ts';
import { named } from './copy-findings.ts';
import type { FeatureSpace } from './feature-space.ts';
import type { Finding } from './finding.ts';
import type { Outlier } from './outliers.ts';
import { rounded } from './rounded.ts';
import { OUTLIER_SCORE } from './thresholds.ts';

/** Neighbours whose classes are listed. */
const NEIGHBOURS = 5;
/** Outliers for which they are listed: each costs one pass over the components. */
const WITH_NEIGHBOURS = 200;

/** Outliers with their numbers, and the classes of the images nearest to them: they show a wrong label. */
export function describeOutliers(
  rows: Collected,
  count: number,
  outliers: readonly Outlier[],
  space: FeatureSpace | undefined,
): Finding[] {
  if (space === undefined) return [];
  return outliers.map((outlier, i) => ({
    kind: 'outlier',
    ...named(rows, [outlier.row]),
    evidence: {
      score: rounded(outlier.score),
      distance: rounded(outlier.distance / space.typical),
      classMedian: rounded(outlier.median / space.typical),
      classDeviation: rounded(outlier.deviation / space.typical),
      classSize: outlier.classSize,
      ...(i < WITH_NEIGHBOURS && { nearestClasses: nearestClasses(rows, count, outlier.row) }),
    },
    threshold: OUTLIER_SCORE,
  }));
}

function nearestClasses(rows: Collected, count: number, row: number): string[] {
  const { reduced, k, targets, classes } = rows;
  const nearest: { other: number; distance: number }[] = [];
  for (let other = 0; other < count; other++) {
    if (other === row) continue;
    const limit = nearest.length < NEIGHBOURS ? Number.POSITIVE_INFINITY : nearest.at(-1)!.distance;
    let distance = 0;
    for (let c = 0; c < k && distance < limit; c++) {
      distance += (reduced[other * k + c] - reduced[row * k + c]) ** 2;
    }
    if (distance >= limit) continue;
    const at = nearest.findIndex((before) => distance < before.distance);
    nearest.splice(at === -1 ? nearest.length : at, 0, { other, distance });
    if (nearest.length > NEIGHBOURS) nearest.pop();
  }
  return nearest.map(({ other }) => classes[targets[other]]);
}
