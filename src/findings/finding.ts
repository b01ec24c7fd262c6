import type { FindingKind } from '../events.ts';
import type { Mode } from '../options/extract-options.ts';
import type { Collected } from './collect-rows.ts';

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
 * pixels, measured: JPEG copies at quality 75 of 100 photographs were at 0.002 to 0.011, at quality 40 up
 * to 0.015, copies of half the size up to 0.005; the closest of 128 unrelated photographs at 0.31. Photographs of
 * one fruit turned by a few degrees (Fruits-360) begin at 0.01: those are near duplicates by any measure.
 * Networks: wider, as their features move more under recoding; not measured with trained weights.
 */
export const NEAR: Readonly<Record<Mode, number>> = { pixels: 0.02, vgg16: 0.05, cnn: 0.05 };

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
