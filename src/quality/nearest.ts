import { setImmediate as nextTurn } from 'node:timers/promises';
import { createKernel, TILE } from '../reduce/kernels.ts';

/** Vectors of some images, and what each is used for. */
export interface Points {
  /** Row-major [images * views, dims]: the views of an image follow each other, the plain one first. */
  readonly values: Float32Array | Float64Array;
  readonly dims: number;
  readonly views: number;
  /** Of each image a position below `classes`. */
  readonly targets: Uint32Array;
  readonly classes: number;
  /** The fold in which an image is tested, or -1: only trained on. */
  readonly foldOf: Int8Array;
}

/** Images tested at a time, vectors that they are compared with, and values of a vector: what a second-level cache holds. */
const TESTED = 64;
const TRAINED = 512;
const DEPTH = 512;

/** The fold of what is only trained on. */
const NOT_TESTED = -1;

/** Neighbours that vote. */
export const NEIGHBOURS = [1, 5] as const;

export interface NearestClasses {
  readonly neighbours: number;
  /** Whether the views of the images that are trained on count, or the plain images alone. */
  readonly isAugmented: boolean;
  /** The class of each image, -1 where it is not tested. */
  readonly predicted: Int32Array;
}

/**
 * The class of most of the nearest images that are trained on, by euclidean distance, of each tested one: as scikit-learn's
 * KNeighborsClassifier(n, algorithm="brute") has it. Of several classes with equal votes it is the first; of vectors equally far it is
 * those that scikit-learn keeps, in the order of the rows. Each sum is taken in the same order, so equal vectors are equally far.
 */
export async function nearestClasses(
  points: Points,
  signal: AbortSignal,
): Promise<NearestClasses[]> {
  const { dims, views, foldOf } = points;
  const images = foldOf.length;
  const trained: number[] = [];
  const isSplit = foldOf.includes(-1);
  for (let row = 0; row < images * views; row++) {
    if (!isSplit || foldOf[Math.floor(row / views)] === -1) trained.push(row);
  }
  const tested = Array.from(foldOf.keys()).filter((image) => foldOf[image] >= 0);
  const width = TRAINED * Math.ceil(trained.length / TRAINED);
  const at = { trained: 0, tested: width * dims, products: (width + TESTED) * dims };
  const { memory, multiplyBlock } = createKernel(at.products + TESTED * TRAINED);
  const square = pack(points, trained, memory, at.trained);
  // Of each image that is trained on, the fold in which it is left out; nothing is left out where there is one split.
  const foldOfRow = Int8Array.from(trained, (row) =>
    isSplit ? NOT_TESTED : foldOf[Math.floor(row / views)],
  );
  const votes = votesOf(points, trained, tested.length);
  for (let first = 0; first < tested.length; first += TESTED) {
    await nextTurn();
    signal.throwIfAborted();
    const block = tested.slice(first, first + TESTED);
    const plain = block.map((image) => image * views);
    const own = pack(points, plain, memory, at.tested);
    for (let from = 0; from < trained.length; from += TRAINED) {
      memory.fill(0, at.products);
      for (let p = 0; p < dims; p += DEPTH) {
        const [a, b] = [at.tested, at.trained + from * dims].map((place) => place + p * TILE);
        const depth = Math.min(DEPTH, dims - p);
        const [tall, wide] = [TESTED / TILE, TRAINED / TILE];
        multiplyBlock(a, b, dims * TILE, tall, wide, depth, at.products, TRAINED);
      }
      const end = Math.min(trained.length, from + TRAINED);
      for (const { step, nearest } of votes) {
        for (let i = 0; i < block.length; i++) {
          const heap = nearest[first + i];
          heap.without = foldOf[block[i]];
          heap.take(own[i], square, memory, at.products + i * TRAINED, from, end, step, foldOfRow);
        }
      }
    }
  }
  return votes.map(({ neighbours, isAugmented, nearest }) => {
    const predicted = new Int32Array(images).fill(-1);
    tested.forEach((image, i) => {
      predicted[image] = vote(
        nearest[i].places.map((place) => trained[place]),
        points,
      );
    });
    return { neighbours, isAugmented, predicted };
  });
}

/** What is asked of the neighbours; more of them than a fold trains on are not asked. */
function votesOf({ views, foldOf }: Points, trained: readonly number[], tested: number) {
  const isSplit = foldOf.includes(-1);
  const folds = new Map<number, number>();
  for (const fold of foldOf) folds.set(fold, (folds.get(fold) ?? 0) + 1);
  const largest = isSplit ? 0 : Math.max(0, ...folds.values());
  const fewest = trained.length / views - largest;
  return (views > 1 ? [false, true] : [false]).flatMap((isAugmented) =>
    NEIGHBOURS.filter((neighbours) => neighbours <= fewest).map((neighbours) => {
      const nearest = Array.from({ length: tested }, () => new Nearest(neighbours));
      return { neighbours, isAugmented, step: isAugmented ? 1 : views, nearest };
    }),
  );
}

/**
 * Copies rows as panels [row / 4][dims][4], zeros where the last ones have no row.
 * @returns the sum of each one's squares
 */
function pack(
  { values, dims }: Points,
  rows: readonly number[],
  memory: Float64Array,
  at: number,
): Float64Array {
  const squares = new Float64Array(rows.length);
  rows.forEach((row, i) => {
    const to = at + (i - (i % TILE)) * dims + (i % TILE);
    let sum = 0;
    for (let j = 0; j < dims; j++) {
      const value = values[row * dims + j];
      memory[to + j * TILE] = value;
      sum += value * value;
    }
    squares[i] = sum;
  });
  return squares;
}

/** The nearest of what is trained on, as a heap with the farthest on top; one equally far as that does not replace it. */
class Nearest {
  readonly #far: Float64Array;
  /** Positions in what is trained on. */
  readonly places: Int32Array;
  /** The fold of the tested image: what is left out. */
  without = NOT_TESTED;

  constructor(size: number) {
    this.#far = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
    this.places = new Int32Array(size).fill(-1);
  }

  /**
   * Sees some of them, from one to before another.
   * @param memory their products with the tested vector, from `at` on
   * @param step 1, or the number of views where only plain images count
   */
  take(
    own: number,
    squares: Float64Array,
    memory: Float64Array,
    at: number,
    from: number,
    end: number,
    step: number,
    foldOf: Int8Array,
  ): void {
    const { without } = this;
    let farthest = this.#far[0];
    for (let i = Math.ceil(from / step) * step; i < end; i += step) {
      const far = own + squares[i] - 2 * memory[at + i - from];
      if (far >= farthest || foldOf[i] === without) continue;
      this.#push(far, i);
      farthest = this.#far[0];
    }
  }

  /** In place of the farthest: it sinks below those that are farther, to the left where both sides are equal. */
  #push(far: number, place: number): void {
    const [all, places] = [this.#far, this.places];
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= all.length) break;
      const child = left + 1 < all.length && all[left + 1] > all[left] ? left + 1 : left;
      if (all[child] <= far) break;
      all[at] = all[child];
      places[at] = places[child];
      at = child;
    }
    all[at] = far;
    places[at] = place;
  }
}

function vote(rows: Int32Array, { targets, classes, views }: Points): number {
  const votes = new Uint32Array(classes);
  for (const row of rows) votes[targets[Math.floor(row / views)]]++;
  return votes.indexOf(Math.max(...votes));
}
