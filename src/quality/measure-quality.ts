/** How well classes are told apart by the features: nearest neighbours and linear probes, on a split or by folds. */
import { type Collected, copyRows, type RunRows } from '../findings/collect-rows.ts';
import { type KnownCopies, rowsWithTwins } from '../findings/leaks.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { nearestClasses, type Points } from './nearest.ts';
import { type PlannedFigure, planFigures, type Vectors } from './plan.ts';
import { linearProbe } from './probe.ts';
import {
  clearlyBest,
  countMixedUp,
  type Hits,
  headlineOf,
  type MeasuredFigure,
  type MixedUp,
  type Quality,
} from './read-figures.ts';
import { chooseSides, FOLDS, type Sides, sampleOrder } from './sides.ts';

/** A layer as quality sees it. */
export interface QualityLayer {
  /** The layer's name, or "pixels". */
  readonly label: string;
  /** All rows of the run with the layer's vectors, or with its reduced vectors where the table has no others. */
  readonly rows: RunRows;
  /** Gives the reduced vectors of the others. */
  readonly reducer: Reducer | undefined;
}

export interface QualityInput {
  /** Names, classes and splits of the images; those of the run stand first. */
  readonly rows: Pick<Collected, 'count' | 'origins' | 'targets' | 'classes' | 'splits'>;
  readonly ownCount: number;
  readonly layers: readonly QualityLayer[];
  readonly known: KnownCopies;
  /** What all figures may take; undefined: as long as it takes. */
  readonly budgetMs: number | undefined;
  readonly signal: AbortSignal;
}

export interface MeasuredQuality {
  readonly quality: Quality;
  /** All classes mixed up, and those told apart, by the headline's figure, with the rows of some of the images. */
  readonly mixedUp: readonly MixedUp[];
  readonly classes: readonly string[];
}

/** Classes mixed up that run.json lists. */
const LISTED = 20;

/** @returns a sentence where there is nothing to measure */
export async function measureQuality(input: QualityInput): Promise<MeasuredQuality | string> {
  const { ownCount, layers } = input;
  const { origins, targets, classes: names, splits } = input.rows;
  const sides = chooseSides({
    origins: origins.slice(0, ownCount),
    targets: targets.subarray(0, ownCount),
    classes: names,
    splits: splits?.slice(0, ownCount),
  });
  if (typeof sides === 'string') return sides;
  const order = sampleOrder(sides);
  const { foldOf, classes } = sides;
  const views = layers[0].rows.views ?? 1;
  const lengths = layers.map(lengthsOf);
  const plan = planFigures({
    ...{ images: order.length, by: sides.by, classes: classes.length, views, layers: lengths },
    trainShare: foldOf.filter((fold) => fold === -1).length / order.length,
    rows: layers[0].rows.count,
    budgetMs: input.budgetMs,
  });
  const parts = new Int8Array(input.rows.count).fill(-1);
  parts.set(foldOf.map((fold) => fold + 1));
  const twins = rowsWithTwins(parts, input.known);
  const notes = notesOf(plan, order.length, lengths);
  const figures: MeasuredFigure[] = [];
  for (const layer of layers) {
    figures.push(...(await measureLayer(input, layer, { sides, order, plan, twins, notes })));
  }
  if (figures.length === 0)
    return 'the time for it, 5 % of the run, is too short (--quality full takes more)';
  const headline = headlineOf(figures, layers.length);
  const mixedUp = countMixedUp(figures[headline].predicted, sides);
  const { by, train, test, unused } = sides;
  const quality: Quality = {
    by,
    ...(by === 'folds' ? { folds: FOLDS } : { train, test }),
    images: order.length,
    classes: classes.length,
    unused,
    copied: [...twins].filter((row) => foldOf[row] >= 0).length,
    figures: figures.map(({ predicted: _, ...figure }) => figure),
    notes,
    ...(layers.length > 1 && { best: clearlyBest(figures, headline) }),
    headline,
    mixedUp: mixedUp
      .filter(({ target, taken }) => target !== taken)
      .slice(0, LISTED)
      .map(({ rows: _, ...pair }) => pair),
  };
  return { quality, mixedUp, classes };
}

interface Measuring {
  readonly sides: Sides;
  readonly order: Uint32Array;
  readonly plan: readonly PlannedFigure[];
  readonly twins: ReadonlySet<number>;
  /** What is left out is added. */
  readonly notes: string[];
}

async function measureLayer(
  { signal }: QualityInput,
  layer: QualityLayer,
  { sides, order, plan, twins, notes }: Measuring,
): Promise<MeasuredFigure[]> {
  const { rows, label, reducer } = layer;
  const { views = 1 } = rows;
  const { foldOf, targets, classes } = sides;
  const imagesOf = (wanted: Vectors) => {
    const most = plan.filter(({ vectors }) => vectors === wanted).map(({ images }) => images);
    return order.slice(0, Math.max(0, ...most)).sort();
  };
  const sampled = { reduced: imagesOf('reduced'), full: imagesOf('full') };
  const gathered = await gather(rows, sampled, reducer);
  const figures: MeasuredFigure[] = [];
  for (const planned of plan) {
    const { method, vectors, images } = planned;
    const { values, dims } = gathered[vectors];
    if (images === 0 || dims === 0) continue;
    const wanted = new Set(order.subarray(0, images));
    const all = sampled[vectors];
    const at = Array.from(all.keys()).filter((i) => wanted.has(all[i]));
    const of = at.map((i) => all[i]);
    const points: Points = {
      ...{ views, dims, classes: classes.length },
      values: of.length === all.length ? values : pick(values, at, dims * views),
      targets: Uint32Array.from(of, (row) => targets[row]),
      foldOf: Int8Array.from(of, (row) => foldOf[row]),
    };
    for (const found of await classify(points, planned, signal)) {
      const { isAugmented, predicted, neighbours } = found;
      if (!found.isConverged) {
        const what = `${NAMES[method]} on ${NAMES[vectors]}${isAugmented ? ', all views' : ''}`;
        notes.push(
          `${what} (${label}): left out, as the search for its weights took too many steps.`,
        );
        continue;
      }
      const byRow = new Int32Array(foldOf.length).fill(-1);
      of.forEach((row, i) => {
        byRow[row] = predicted[i];
      });
      figures.push({
        ...{ layer: label, vectors, method, ...(neighbours !== undefined && { neighbours }) },
        views: isAugmented ? 'all' : 'plain',
        trained: sides.by === 'folds' ? of.length : of.filter((row) => foldOf[row] === -1).length,
        ...hitsOf(byRow, targets, () => true),
        withoutCopies: hitsOf(byRow, targets, (row) => !twins.has(row)),
        predicted: byRow,
      });
    }
  }
  return figures;
}

async function classify(
  points: Points,
  { method, mostPasses }: PlannedFigure,
  signal: AbortSignal,
) {
  if (method === 'nearest') {
    const found = await nearestClasses(points, signal);
    return found.map((one) => ({ ...one, isConverged: true }));
  }
  const found = [];
  for (const isAugmented of points.views > 1 ? [false, true] : [false]) {
    const probe = await linearProbe(points, isAugmented, mostPasses, signal);
    found.push({ isAugmented, neighbours: undefined, ...probe });
  }
  return found;
}

function hitsOf(
  predicted: Int32Array,
  targets: Uint32Array,
  counts: (row: number) => boolean,
): Hits {
  let [tested, correct] = [0, 0];
  predicted.forEach((taken, row) => {
    if (taken < 0 || !counts(row)) return;
    tested++;
    if (taken === targets[row]) correct++;
  });
  return { tested, correct, accuracy: tested === 0 ? null : correct / tested };
}

/** All views of some images, in one pass over all rows. @param images of each kind of vectors, ascending */
async function gather(
  rows: RunRows,
  images: Readonly<Record<Vectors, Uint32Array>>,
  reducer: Reducer | undefined,
) {
  const { views = 1, dims } = rows;
  const k = lengthsOf({ rows, reducer }).k;
  const full = new Float32Array(images.full.length * views * dims);
  const reduced = new Float64Array(images.reduced.length * views * k);
  const next = { full: 0, reduced: 0 };
  const rowsIn = (of: Vectors, first: number, n: number): number[] => {
    const picked: number[] = [];
    for (; next[of] < images[of].length * views; next[of]++) {
      const image = images[of][Math.floor(next[of] / views)];
      const row = image * views + (next[of] % views) - first;
      if (row >= n) break;
      picked.push(row);
    }
    return picked;
  };
  let at = 0;
  for await (const batch of rows.batches()) {
    const inFull = dims > 0 ? rowsIn('full', at, batch.n) : [];
    const to = full.subarray((next.full - inFull.length) * dims, next.full * dims);
    copyRows(batch.vectors, inFull, to);
    const inReduced = k > 0 ? rowsIn('reduced', at, batch.n) : [];
    const n = inReduced.length;
    if (n > 0) {
      const values =
        dims > 0
          ? reducer!.transform(copyRows(batch.vectors, inReduced, new Float32Array(n * dims)), n)
          : copyRows(batch.reduced, inReduced, new Float64Array(n * k));
      reduced.set(values, (next.reduced - n) * k);
    }
    at += batch.n;
  }
  return { full: { values: full, dims }, reduced: { values: reduced, dims: k } };
}

function lengthsOf({ rows, reducer }: Pick<QualityLayer, 'rows' | 'reducer'>) {
  return { dims: rows.dims, k: rows.dims > 0 ? (reducer?.k ?? 0) : rows.k };
}

function pick<A extends Float32Array | Float64Array>(
  values: A,
  at: readonly number[],
  width: number,
): A {
  return copyRows(values, at, values.slice(0, at.length * width) as A);
}

const NAMES = {
  nearest: 'Nearest neighbours',
  probe: 'Linear probe',
  reduced: 'reduced vectors',
  full: 'full vectors',
} as const;

/** What was left out or sampled, and why. */
function notesOf(
  plan: readonly PlannedFigure[],
  all: number,
  layers: readonly { readonly dims: number; readonly k: number }[],
): string[] {
  const has = (vectors: Vectors) =>
    layers.some(({ dims, k }) => (vectors === 'full' ? dims : k) > 0);
  return plan
    .filter(({ vectors }) => has(vectors))
    .flatMap(({ method, vectors, images }) => {
      const what = `${NAMES[method]} on ${NAMES[vectors]}`;
      if (images === 0)
        return [
          `${what}: left out, as it would take more than its share of 5 % of the run (--quality full takes more).`,
        ];
      return images < all
        ? [`${what}: ${images} of ${all} images, spread evenly over classes and parts.`]
        : [];
    });
}
