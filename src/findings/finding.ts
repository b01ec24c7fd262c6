import type { FindingKind } from '../events.ts';

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
export const MAX_ORIGINS = 50;

/** Findings of one kind in findings.jsonl; run.json counts all. */
export const MAX_LISTED = 10_000;
