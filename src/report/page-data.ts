import type { FindingKind, KindCount } from '../events.ts';
import type { Findings } from '../findings/find-findings.ts';
import type { Finding } from '../findings/finding.ts';
import type { Quality } from '../quality/read-figures.ts';
import type { RunJson } from '../run/run-json.ts';

/** All that the page shows: JSON in a script element of it. Numbers of many rows are little-endian base64. */
export interface PageData {
  readonly format: 2;
  /** Where the table is, as the user wrote it. */
  readonly target: string;
  /** What makes the same table, quoted for a shell. */
  readonly command: string;
  /** run.json, without its list of findings' counts of later runs. */
  readonly run: RunJson;
  /** Rejections, at most MAX_REJECTIONS of them. */
  readonly rejected: readonly PageRejection[];
  /** Names of all classes, and the rows of each in the whole table. */
  readonly classes: readonly string[];
  readonly classCounts: readonly number[];
  readonly points: PagePoints;
  /** Of each class, in the order of `classes`: points with pictures, from the most typical to the oddest. */
  readonly strips: readonly (readonly number[])[];
  readonly thumbs: PageThumbs;
  readonly findings: PageFindings;
  /** Absent with --quality off; a sentence where there was nothing to measure. */
  readonly quality?: PageQuality | string;
}

/** How well the features tell classes apart. */
export interface PageQuality extends Quality {
  /** Names, sorted; not the order of the page's other classes. */
  readonly classNames: readonly string[];
  /** Images by class and the class they were taken for: [class, taken for, images] one after the other. */
  readonly confusion: readonly number[];
  /** Classes that were mixed up, the most images first, and the points of some of the images. */
  readonly pairs: readonly {
    readonly target: number;
    readonly taken: number;
    readonly images: number;
    readonly points: readonly number[];
  }[];
}

export interface PageRejection {
  readonly origin: string;
  readonly reason: string;
  readonly message: string;
}

export interface PagePoints {
  /** Points of the page; fewer than rows where the table is larger than MAX_POINTS. */
  readonly count: number;
  readonly rows: number;
  /** The layers of the run, the first one first; findings, neighbours in reports and strips are by the first. */
  readonly layers: readonly PageLayer[];
  /** uint32 [count], positions in `classes` */
  readonly targets: string;
  /** uint8 [count]: bit i is set where a finding of FINDING_KINDS[i] names the image. */
  readonly kinds: string;
  /** The parts that were compared, and int8 [count], positions in them or -1. */
  readonly parts?: { readonly names: readonly string[]; readonly of: string };
  /** Characters that each origin shares with the one before: uint16 [count] */
  readonly shared: string;
  /** The rest of each origin. */
  readonly rests: readonly string[];
}

/** What a layer gives of each point. */
export interface PageLayer {
  /** The layer's name, or "pixels". */
  readonly label: string;
  readonly k: number;
  /** float32 [count, k], in typical distances: two random images are 1 apart. */
  readonly values: string;
  /** Shares of the variance by component. */
  readonly variance: readonly number[];
}

/** Small pictures of some points. */
export interface PageThumbs {
  /** pixels: the table's own 10×10 vectors; sheets: pictures cut from JPEG sheets. */
  readonly kind: 'pixels' | 'sheets' | 'none';
  /** Width and height of one, in pixels: all are squeezed into a square. */
  readonly side: number;
  /** Pictures in a row of a sheet, and rows of one. */
  readonly perRow: number;
  /** int32: the point that each picture is of, the most useful first */
  readonly points: string;
  /** uint8 [n, 2]: width and height that each is shown with, as shares of 255. */
  readonly shapes: string;
  /** pixels: one base64 of uint8 [n, side, side, 3] RGB; sheets: base64 of JPEG files, perRow² pictures each. */
  readonly data: readonly string[];
  /** Bytes of all pictures. */
  readonly bytes: number;
  /** Why there are not more. */
  readonly note: string;
}

export interface PageFindings extends Omit<Findings, 'findings' | 'known'> {
  readonly counts: Readonly<Record<FindingKind, KindCount>>;
  /** Lines of findings.jsonl: as many of each kind as MAX_SHOWN_CHARS allow. */
  readonly shown: readonly PageFinding[];
}

export interface PageFinding extends Finding {
  /** The point of each of `origins`, or -1. */
  readonly points: readonly number[];
}

/** Points that the page draws without stalling. */
export const MAX_POINTS = 200_000;
/** Characters of all findings on the page; findings.jsonl has more. */
export const MAX_SHOWN_CHARS = 2 << 20;
export const MAX_REJECTIONS = 2000;
/** Bytes of all components of the page: more rows, fewer components. */
export const MAX_VALUE_BYTES = 32 << 20;

/** A typed array's bytes (little-endian on every machine that runs this) as base64. */
export function base64(values: ArrayBufferView): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}
