import type { Mode } from '../options/extract-options.ts';
import { padToTile } from '../reduce/kernels.ts';
import { FOLDS } from './sides.ts';

export const METHODS = ['nearest', 'probe'] as const;
export type Method = (typeof METHODS)[number];
export const VECTORS = ['reduced', 'full'] as const;
export type Vectors = (typeof VECTORS)[number];

/** Most images that are looked at. */
const MOST_IMAGES = 30_000;
/** Bytes of the sample's vectors and of what is computed from them. */
const MOST_BYTES = 512 << 20;
/** A sample with fewer images of a class, or fewer in all, says little. */
const FEWEST = { ofClass: 5, inAll: 200 };
/** Share of a run's time; what the start of this code takes of it, and what is left to measure in runs of a few seconds, in ms. */
const SHARE = 0.05;
const START_MS = 200;
const LEAST_MS = 40;

/**
 * How long a run takes about, in ms, on the machine that the project is measured on: a start, and each row. A count of what there is to do and not
 * a clock decides what is measured: so the same images always give the same report.
 */
export function expectedMs(
  rows: number,
  network: {
    readonly mode: Mode;
    readonly device?: string | undefined;
    readonly architecture?: string | null | undefined;
  },
): number {
  if (network.mode === 'pixels') return 800 + 0.1 * rows;
  const isGpu = network.device === 'cuda';
  const isLarge = network.architecture === 'vgg16' || network.architecture === 'vgg19';
  return 2000 + rows * (isGpu ? 0.4 : isLarge ? 60 : 2);
}

/** Vectors read from the work folder, out of the system's cache. */
const BYTES_PER_MS = 1.5e6;

/** What is measured of each layer. */
export interface PlanInput {
  /** Images with a use: see Sides. */
  readonly images: number;
  readonly by: 'split' | 'folds';
  /** Share of the images that is trained on where there is a split. */
  readonly trainShare: number;
  readonly classes: number;
  readonly views: number;
  /** Of the whole table: they are read once for each layer. */
  readonly rows: number;
  /** Of each layer; 0 where the table has none. */
  readonly layers: readonly { readonly dims: number; readonly k: number }[];
  /** What all may take; undefined: as long as it takes. */
  readonly budgetMs: number | undefined;
}

/** One method on one kind of vectors, in all layers on the same images, so that their figures can be compared. */
export interface PlannedFigure {
  readonly method: Method;
  readonly vectors: Vectors;
  /** Images of the sample; 0: left out. */
  readonly images: number;
  /** Of a probe, for each fold. */
  readonly mostPasses: number;
}

/** The share of 5 % of a run, by what the figures cost on the machine that the project is measured on. */
export function budgetOf(runMs: number): number {
  return Math.max(LEAST_MS, SHARE * runMs - START_MS);
}

/** The size of each figure's sample. What a cheap figure leaves of the time is the next one's. */
export function planFigures(input: PlanInput): PlannedFigure[] {
  const bytes =
    input.rows * input.layers.reduce((sum, { dims, k }) => sum + 4 * (dims || 2 * k), 0);
  let left = (input.budgetMs ?? Number.POSITIVE_INFINITY) - bytes / BYTES_PER_MS;
  const wanted = VECTORS.flatMap((vectors) => METHODS.map((method) => ({ method, vectors })));
  return wanted.map(({ method, vectors }, i) => {
    const planned = { method, vectors, mostPasses: MOST_PASSES };
    const lengths = input.layers.map(({ dims, k }) => (vectors === 'full' ? dims : k));
    const has = lengths.filter((length) => length > 0);
    if (has.length === 0) return { ...planned, images: 0 };
    const cost = (images: number) =>
      has.reduce((sum, length) => sum + costMs(planned, length, images, input), 0);
    const most = Math.min(input.images, MOST_IMAGES, mostInMemory(method, Math.max(...has), input));
    const share = left / (wanted.length - i);
    const images = largest(most, (n) => cost(n) <= share);
    const fewest = Math.min(input.images, Math.max(FEWEST.inAll, FEWEST.ofClass * input.classes));
    if (images < fewest) return { ...planned, images: 0 };
    left -= cost(images);
    // Half of what is left of the share: the next figures count on the rest.
    const limit = PASSES[vectors] * Math.max(LIMIT, share / cost(images) / 2);
    return { ...planned, images, mostPasses: Math.min(MOST_PASSES, Math.floor(limit)) };
  });
}

/** The largest whole number up to `most` for which `fits`, which holds for all below; 0: none. */
function largest(most: number, fits: (n: number) => boolean): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Products with a vector, there and back, that the search for a probe takes: measured 60 to 110 and 60 to 300. */
const PASSES: Record<Vectors, number> = { reduced: 150, full: 300 };
/** Where so many times as many are not enough, and no more time is left of the figure's share, it is left out. */
const LIMIT = 1.5;
/** With `--quality full`; 1,430 are the most that were seen. */
const MOST_PASSES = 20_000;

/** Measured on one core of an AMD EPYC 9004, by the addon of native/reduce. */
function costMs(
  { method, vectors }: Pick<PlannedFigure, 'method' | 'vectors'>,
  length: number,
  images: number,
  input: PlanInput,
): number {
  const { by, trainShare, classes, views } = input;
  const trainings = by === 'folds' ? FOLDS : 1;
  const trained = images * (by === 'folds' ? 1 - 1 / FOLDS : trainShare);
  const tested = by === 'folds' ? images : images * (1 - trainShare);
  if (method === 'nearest') {
    const compared = by === 'folds' ? images : trained;
    return 1e-6 * tested * compared * views * (0.25 * length + 20);
  }
  const width = padToTile(classes);
  // With views it is trained twice: on the plain images, and on all.
  const rows = trained * (views > 1 ? 1 + views : 1);
  return 1e-6 * trainings * PASSES[vectors] * rows * width * (0.35 * padToTile(length + 1) + 14);
}

function mostInMemory(method: Method, length: number, { classes, views }: PlanInput): number {
  const copies = method === 'nearest' ? 16 * length : 28 * length + 32 * padToTile(classes);
  return Math.floor(MOST_BYTES / (views * copies));
}
