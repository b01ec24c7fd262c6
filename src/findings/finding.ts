import type { FindingKind } from '../events.ts';
import type { Mode } from '../options/extract-options.ts';
import type { Collected } from './collect-rows.ts';
import type { FeatureSpace } from './feature-space.ts';

export const FINDING_KINDS: readonly FindingKind[] = [
  'leak',
  'two_classes',
  'exact_duplicate',
  'same_features',
  'near_duplicate',
  'outlier',
];

/** How two images were matched. */
export type Match = 'same_bytes' | 'same_features' | 'near';

export interface ClassCount {
  readonly class: string;
  readonly images: number;
}

/** One line of findings.jsonl. */
export interface Finding {
  readonly kind: FindingKind;
  /** In byte order, but leaks: first the image of the second part, then its copy in the first. At most `MAX_ORIGINS`, of as many classes as they have room for. */
  readonly origins: readonly string[];
  /** The class of each of `origins`. */
  readonly classes: readonly string[];
  /** How many images it is about, those beyond `origins` included. */
  readonly images: number;
  /** The numbers and words behind it. Distances are shares of the distance between two images taken at random. */
  readonly evidence: Readonly<
    Record<string, string | number | readonly string[] | readonly ClassCount[]>
  >;
  /** What the evidence was compared with; null where nothing but equality counts. */
  readonly threshold: number | null;
}

/** Names listed in one finding; `images` counts all. */
const MAX_ORIGINS = 50;

/**
 * Near duplicates: feature distance as a share of the typical distance between two images of the run
 * (the root mean square, the square root of twice the total variance).
 *
 * Measured on pixels and on EfficientNet-Lite0; docs/report.md has the table. Features move more than pixels where an image is
 * recoded, and less where it is cropped. Probabilities of classes are close for different images of one kind.
 */
const NEAR = { pixels: 0.02, features: 0.15, probabilities: 0.05 };

/** The threshold for near duplicates where none is given. */
export function defaultNear(mode: Mode, space: FeatureSpace | undefined): number {
  if (mode === 'pixels') return NEAR.pixels;
  // The mean of probabilities sums to 1, as each row does.
  const sum = space?.shift.reduce((total, mean) => total + mean, 0) ?? 0;
  return Math.abs(sum - 1) < 1e-3 ? NEAR.probabilities : NEAR.features;
}

/**
 * The same image in batches of different shapes: a network's last bits differ then. Measured 5e-7 of the typical
 * distance; such pairs are compared by their bytes.
 */
export const SAME_IMAGE = 1e-5;

/** A finding about some rows. */
export function makeFinding(
  kind: FindingKind,
  rows: Collected,
  of: readonly number[],
  evidence: Finding['evidence'],
  threshold: number | null = null,
): Finding {
  const shown = of.length > MAX_ORIGINS ? someOfEachClass(rows, of) : of;
  return {
    kind,
    origins: shown.map((row) => rows.origins[row]),
    classes: shown.map((row) => rows.classes[rows.targets[row]]),
    images: of.length,
    evidence,
    threshold,
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

/** Six digits: what a reader can use, without the last bits, which may differ on another machine. */
export function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
