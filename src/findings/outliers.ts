import type { Collected } from './collect-rows.ts';
import type { FeatureSpace } from './feature-space.ts';
import { type Finding, makeFinding, rounded } from './finding.ts';

/**
 * Outliers: distance from the class's centre (the median of each component), less the class's median
 * distance, in units of 1.4826 median absolute deviations: standard deviations, were distances normal.
 */
export const OUTLIER_SCORE = 6;
/** Fewer images than this do not show what a class has in common. */
const MIN_CLASS = 10;
/** Neighbours whose classes are listed. */
const NEIGHBOURS = 5;
/** Outliers for which they are listed: each costs one pass over the components. */
const WITH_NEIGHBOURS = 200;

export interface Outlier {
  readonly row: number;
  /** From the centre of its class. */
  readonly distance: number;
  /** Of the distances of its class. */
  readonly median: number;
  /** Median absolute deviation of them. */
  readonly deviation: number;
  /** (distance - median) / (1.4826 deviation) */
  readonly score: number;
  readonly classSize: number;
}

/**
 * Outliers with their numbers, and the classes of the images nearest to them: they show a wrong label.
 * @param count only the first so many rows
 */
export function outlierFindings(rows: Collected, count: number, { typical }: FeatureSpace) {
  return findOutliers(rows, count).map((outlier, i): Finding => {
    const { row, score, distance, median, deviation, classSize } = outlier;
    const evidence = {
      score: rounded(score),
      distance: rounded(distance / typical),
      classMedian: rounded(median / typical),
      classDeviation: rounded(deviation / typical),
      classSize,
      ...(i < WITH_NEIGHBOURS && { nearestClasses: nearestClasses(rows, count, row) }),
    };
    return makeFinding('outlier', rows, [row], evidence, OUTLIER_SCORE);
  });
}

/**
 * Rows far from their class's centre, the worst first. Centre, spread and distance are medians, which the outliers
 * themselves hardly move.
 */
export function findOutliers(
  rows: Pick<Collected, 'targets' | 'classes' | 'reduced' | 'k'>,
  count: number,
): Outlier[] {
  const { targets, classes } = rows;
  const members: number[][] = classes.map(() => []);
  for (let row = 0; row < count; row++) members[targets[row]].push(row);
  const outliers: Outlier[] = [];
  for (const of of members) {
    if (of.length < MIN_CLASS) continue;
    const distances = centreDistances(rows, of);
    const median = medianOf(distances.slice());
    const deviation = medianOf(distances.map((distance) => Math.abs(distance - median)));
    // A class whose images are nearly all the same has no spread to measure by.
    if (!(deviation > 1e-9 * (median + 1))) continue;
    of.forEach((row, i) => {
      const distance = distances[i];
      const score = (distance - median) / (1.4826 * deviation);
      if (score < OUTLIER_SCORE) return;
      outliers.push({ row, distance, median, deviation, score, classSize: of.length });
    });
  }
  return outliers.sort((a, b) => b.score - a.score || a.row - b.row);
}

/** How far each of some rows is from their centre, the median of each component. */
export function centreDistances(
  { reduced: points, k }: Pick<Collected, 'reduced' | 'k'>,
  of: readonly number[],
): Float64Array {
  const centre = Array.from({ length: k }, (_, c) => {
    return medianOf(Float64Array.from(of, (row) => points[row * k + c]));
  });
  return Float64Array.from(of, (row) => {
    let sum = 0;
    for (let c = 0; c < k; c++) sum += (points[row * k + c] - centre[c]) ** 2;
    return Math.sqrt(sum);
  });
}

/** Sorts `values` in place. */
function medianOf(values: Float64Array): number {
  values.sort();
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
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
