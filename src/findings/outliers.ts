import { OUTLIER_MIN_CLASS } from './thresholds.ts';

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

export interface OutlierInput {
  readonly count: number;
  readonly targets: Uint32Array;
  readonly classes: number;
  readonly points: Float64Array;
  readonly k: number;
  /** Smallest score that counts. */
  readonly threshold: number;
}

/**
 * Rows far from their class's centre, the worst first. Centre, spread and distance are medians, which the outliers
 * themselves hardly move.
 */
export function findOutliers(input: OutlierInput): Outlier[] {
  const { count, targets, classes, points, k, threshold } = input;
  const members: number[][] = Array.from({ length: classes }, () => []);
  for (let row = 0; row < count; row++) members[targets[row]].push(row);
  const outliers: Outlier[] = [];
  for (const rows of members) {
    if (rows.length < OUTLIER_MIN_CLASS) continue;
    const centre = Array.from({ length: k }, (_, c) => {
      return medianOf(Float64Array.from(rows, (row) => points[row * k + c]));
    });
    const distances = Float64Array.from(rows, (row) => {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += (points[row * k + c] - centre[c]) ** 2;
      return Math.sqrt(sum);
    });
    const median = medianOf(distances.slice());
    const deviation = medianOf(distances.map((distance) => Math.abs(distance - median)));
    // A class whose images are nearly all the same has no spread to measure by.
    if (!(deviation > 1e-9 * (median + 1))) continue;
    rows.forEach((row, i) => {
      const score = (distances[i] - median) / (1.4826 * deviation);
      if (score < threshold) return;
      const distance = distances[i];
      outliers.push({ row, distance, median, deviation, score, classSize: rows.length });
    });
  }
  return outliers.sort((a, b) => b.score - a.score || a.row - b.row);
}

/** Sorts `values` in place. */
function medianOf(values: Float64Array): number {
  values.sort();
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}
