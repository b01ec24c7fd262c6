import type { Method, Vectors } from './plan.ts';
import type { Sides } from './sides.ts';

/** Of so many tested images so many were given their class. */
export interface Hits {
  readonly tested: number;
  readonly correct: number;
  /** The share of them; null where none was tested. */
  readonly accuracy: number | null;
}

/** One classifier on one kind of vectors of one layer. */
export interface QualityFigure extends Hits {
  readonly layer: string;
  readonly vectors: Vectors;
  readonly method: Method;
  /** How many neighbours vote. */
  readonly neighbours?: number;
  /** What is trained on: the plain image alone, or all its views. Tested is always the plain one. */
  readonly views: 'plain' | 'all';
  /** Images trained on; by folds those of all folds together. */
  readonly trained: number;
  /** The same without the tested images that have a copy or near copy among all that is trained on. */
  readonly withoutCopies: Hits;
}

/** `quality` of run.json. */
export interface Quality {
  readonly by: 'split' | 'folds';
  readonly folds?: number;
  readonly train?: string;
  readonly test?: string;
  /** Images with a use; `notes` says where a figure looks at fewer. */
  readonly images: number;
  readonly classes: number;
  readonly unused: Sides['unused'];
  /** Tested images with a copy or near copy among those that are trained on, of all images. */
  readonly copied: number;
  readonly figures: readonly QualityFigure[];
  /** Why figures are missing, or of fewer images. */
  readonly notes: readonly string[];
  /** The layer to take, where there are several. */
  readonly best?: { readonly layer: string; readonly isClear: boolean };
  /** The figure that classes mixed up are counted by: a position in `figures`. */
  readonly headline: number;
  readonly mixedUp: readonly Omit<MixedUp, 'rows'>[];
}

export interface MeasuredFigure extends QualityFigure {
  /** By row the class that was taken; -1 where it was not tested. */
  readonly predicted: Int32Array;
}

/** Images of one class that were taken for one of another, or for their own. */
export interface MixedUp {
  /** Positions in the names of the classes: theirs, and that which they were taken for. */
  readonly target: number;
  readonly taken: number;
  readonly images: number;
  /** The first of them. */
  readonly rows: readonly number[];
}

/** Images of a pair with a picture. */
const SHOWN = 6;

/** How many images of each class were taken for which; the most images first. */
export function countMixedUp(
  predicted: Int32Array,
  { targets }: Pick<Sides, 'targets'>,
): MixedUp[] {
  const pairs = new Map<
    string,
    { target: number; taken: number; images: number; rows: number[] }
  >();
  predicted.forEach((taken, row) => {
    if (taken < 0) return;
    const target = targets[row];
    const key = `${target} ${taken}`;
    const pair = pairs.get(key) ?? { target, taken, images: 0, rows: [] };
    pairs.set(key, pair);
    pair.images++;
    if (target !== taken && pair.rows.length < SHOWN) pair.rows.push(row);
  });
  return [...pairs.values()].sort(
    (a, b) => b.images - a.images || a.target - b.target || a.taken - b.taken,
  );
}

/** What says most about features comes first. */
const ORDER: readonly ((figure: QualityFigure) => boolean)[] = [
  ({ method, vectors }) => method === 'probe' && vectors === 'full',
  ({ method, vectors }) => method === 'probe' && vectors === 'reduced',
  ({ method, vectors, neighbours }) =>
    method === 'nearest' && vectors === 'full' && neighbours === 5,
  ({ method, vectors, neighbours }) =>
    method === 'nearest' && vectors === 'reduced' && neighbours === 5,
  () => true,
];

/** The figure by which layers are compared and classes counted: the first kind that all layers have, of the best layer. */
export function headlineOf(figures: readonly QualityFigure[], layers: number): number {
  const isPlain = ({ views }: QualityFigure) => views === 'plain';
  const plain = figures.some(isPlain) ? figures.filter(isPlain) : figures;
  const kinds = ORDER.map((isKind) => plain.filter(isKind));
  const kind = kinds.find((of) => new Set(of.map(({ layer }) => layer)).size === layers) ?? plain;
  const most = Math.max(...kind.map(({ correct }) => correct));
  return figures.indexOf(kind.find(({ correct }) => correct === most)!);
}

/** The best layer by the headline's kind of figure, and whether it is better than the next by more than chance: two standard errors of a difference. */
export function clearlyBest(
  figures: readonly MeasuredFigure[],
  headline: number,
): NonNullable<Quality['best']> {
  const best = figures[headline];
  const isClear = figures.every((other) => {
    const isRival = (['method', 'vectors', 'neighbours', 'views'] as const).every(
      (key) => other[key] === best[key],
    );
    if (!isRival || other.layer === best.layer) return true;
    const error = [best, other].reduce(
      (sum, { accuracy, tested }) => sum + (accuracy! * (1 - accuracy!)) / tested,
      0,
    );
    return best.accuracy! - other.accuracy! > 2 * Math.sqrt(error);
  });
  return { layer: best.layer, isClear };
}
