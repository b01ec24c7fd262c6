import { partsByFolder, partsBySplit } from '../findings/leaks.ts';
import { compareUtf8 } from '../run/compare-utf8.ts';

export const FOLDS = 5;

/** What each image is used for. */
export interface Sides {
  /** `split`: one part is trained on, another is tested; `folds`: each of five is tested by the four others. */
  readonly by: 'split' | 'folds';
  /** Names of the two parts, where there are such. */
  readonly train?: string;
  readonly test?: string;
  /** The fold in which an image is tested; -1: only trained on; NOT_USED. */
  readonly foldOf: Int8Array;
  /** Class of each image, a position in `classes`. */
  readonly targets: Uint32Array;
  /** Names, sorted by their code points as scikit-learn does: the first of several with equal votes is taken. */
  readonly classes: readonly string[];
  /** Images left out: of another part, without a class, or in a class of fewer images than folds. */
  readonly unused: { readonly otherParts: number; readonly noClass: number; readonly rare: number };
}

export const NOT_USED = -2;

/** Parts that a model is tested on, in the order in which they are looked for. */
const TESTED = [/^test/i, /^holdout$/i, /^(val|dev)/i];

/**
 * Which images are trained on and tested: by the column `split`, else by folders of the usual names, else by folds as
 * scikit-learn's StratifiedKFold(5) makes them of all images in the table's order.
 * @returns a sentence where there is nothing to measure
 */
export function chooseSides(rows: {
  readonly origins: readonly string[];
  readonly targets: Uint32Array;
  readonly classes: readonly string[];
  readonly splits: readonly string[] | undefined;
}): Sides | string {
  const { origins, classes: names } = rows;
  const count = origins.length;
  if (count === 0) return 'the table has no rows';
  const classes = [...new Set(names)].filter((name) => name !== '').sort(compareUtf8);
  if (classes.length === 0) return 'the images have no classes';
  const place = new Map(classes.map((name, i) => [name, i]));
  const targets = Uint32Array.from(rows.targets, (of) => place.get(names[of]) ?? 0);
  const foldOf = new Int8Array(count).fill(NOT_USED);
  const hasClass = (row: number) => names[rows.targets[row]] !== '';
  const parts =
    (rows.splits && partsBySplit(rows.splits, undefined)) ?? partsByFolder(origins, undefined);
  const train = parts?.names.findIndex((name) => /^train/i.test(name)) ?? -1;
  const test = TESTED.map(
    (tested) => parts?.names.findIndex((name) => tested.test(name)) ?? -1,
  ).find((at) => at >= 0);
  const isSplit = train >= 0 && test !== undefined;
  let noClass = 0;
  for (let row = 0; row < count; row++) {
    if (!hasClass(row)) noClass++;
    else if (!isSplit) foldOf[row] = 0;
    else if (parts!.of[row] === train) foldOf[row] = -1;
    else if (parts!.of[row] === test) foldOf[row] = 0;
  }
  const rare = isSplit ? 0 : assignFolds(targets, classes.length, foldOf);
  const used = foldOf.filter((fold) => fold !== NOT_USED);
  const unused = { otherParts: count - used.length - noClass - rare, noClass, rare };
  const why = whyNothing({ targets, foldOf, isSplit, rare });
  if (why !== undefined) return why;
  return {
    by: isSplit ? 'split' : 'folds',
    ...(isSplit && { train: parts!.names[train], test: parts!.names[test] }),
    ...{ foldOf, targets, classes, unused },
  };
}

function whyNothing(of: {
  readonly targets: Uint32Array;
  readonly foldOf: Int8Array;
  readonly isSplit: boolean;
  readonly rare: number;
}): string | undefined {
  const { targets, foldOf, isSplit, rare } = of;
  const tested = foldOf.some((fold) => fold >= 0);
  const trained = new Set(
    targets.filter((_, row) => (isSplit ? foldOf[row] === -1 : foldOf[row] >= 0)),
  );
  if (trained.size === 0 && rare > 0)
    return `each class has fewer than ${FOLDS} images, and there is no split`;
  if (isSplit && !tested) return 'the part to test has no images with a class';
  if (trained.size >= 2) return undefined;
  return rare > 0
    ? `only one class has ${FOLDS} images or more, and there is no split`
    : `the images to train on are of ${trained.size === 0 ? 'no class' : 'one class'}`;
}

/** Folds of the rows marked 0; those of too small classes become NOT_USED. @returns how many */
function assignFolds(targets: Uint32Array, classes: number, foldOf: Int8Array): number {
  const sizes = new Uint32Array(classes);
  foldOf.forEach((fold, row) => {
    if (fold === 0) sizes[targets[row]]++;
  });
  let rare = 0;
  const seen = new Map<number, number>();
  const kept = foldOf.map((fold, row) => {
    const size = sizes[targets[row]];
    if (fold !== 0 || size >= FOLDS) return fold;
    rare++;
    return NOT_USED;
  });
  foldOf.set(kept);
  // Rows sorted by class in order of appearance; every fifth of them is of one fold: so many of each class a fold gets.
  kept.forEach((fold, row) => {
    if (fold === 0 && !seen.has(targets[row])) seen.set(targets[row], seen.size);
  });
  const shares = Array.from({ length: classes }, () => new Uint32Array(FOLDS));
  let at = 0;
  for (const target of seen.keys()) {
    for (let i = 0; i < sizes[target]; i++, at++) shares[target][at % FOLDS]++;
  }
  const next = new Uint8Array(classes);
  kept.forEach((fold, row) => {
    if (fold !== 0) return;
    const target = targets[row];
    while (shares[target][next[target]] === 0) next[target]++;
    shares[target][next[target]]--;
    foldOf[row] = next[target];
  });
  return rare;
}

/**
 * The images that are used, in an order of which every beginning has all classes and parts in their shares, spread over the
 * table: the first n are the sample of n.
 */
export function sampleOrder({ foldOf, targets }: Pick<Sides, 'foldOf' | 'targets'>): Uint32Array {
  const members = new Map<number, number[]>();
  foldOf.forEach((fold, row) => {
    if (fold === NOT_USED) return;
    const key = targets[row] * (FOLDS + 1) + fold + 1;
    const of = members.get(key);
    if (of === undefined) members.set(key, [row]);
    else of.push(row);
  });
  const rank = new Float64Array(foldOf.length);
  const order: number[] = [];
  for (const rows of members.values()) {
    spread(rows).forEach((row, i) => {
      rank[row] = (i + 0.5) / rows.length;
      order.push(row);
    });
  }
  return Uint32Array.from(order).sort((a, b) => rank[a] - rank[b] || a - b);
}

/** In the order of their numbers' bits reversed: any beginning is spread over all. */
export function spread(rows: readonly number[]): number[] {
  const bits = Math.ceil(Math.log2(rows.length));
  const order: number[] = [];
  for (let i = 0; i < 1 << bits; i++) {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed |= ((i >> bit) & 1) << (bits - 1 - bit);
    if (reversed < rows.length) order.push(rows[reversed]);
  }
  return order;
}
