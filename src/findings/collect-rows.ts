import type { Reducer } from '../reduce/reducer.ts';
import { type FeatureSpace, squaredNorm } from './feature-space.ts';

/** What is kept of every row at once: some 150 bytes and its name, not its vector. */
export interface Collected {
  readonly count: number;
  readonly origins: string[];
  /** Class of each row, a position in `classes`. */
  readonly targets: Uint32Array;
  /** Class names, in order of appearance. */
  readonly classes: string[];
  /** Split of each row, or undefined where the table has none. */
  readonly splits: readonly string[] | undefined;
  readonly k: number;
  /** float64 [count, k] as in the table */
  readonly reduced: Float64Array;
  /** Of each further layer, for the page: float32 [count, its k]; none for tables too large to keep them. */
  readonly others: readonly Float32Array[];
  /** uint32 [count, 2]: of the vector, or of the reduced one where the table holds no other. */
  readonly hashes: Uint32Array;
  /** Length of what the components leave out, for each row, in scaled features; undefined without vectors. */
  readonly rest: Float64Array | undefined;
}

/** Rows of which further layers are kept, 40 bytes each at ten components. */
const MOST_OTHERS = 1_000_000;

/**
 * Reads all rows once, and keeps view 0 of each image.
 * @param reducer gives the reduced vectors where the rows bring none, and the space of the distances
 * @param onBatch sees each batch as it passes (the report keeps the pixels)
 */
export async function collectRows(
  all: RunRows,
  reducer: Reducer | undefined,
  space: FeatureSpace | undefined,
  onBatch: (vectors: Float32Array, first: number) => void = () => {},
): Promise<Collected> {
  const rows = plainRows(all);
  const { count, dims } = rows;
  const k = rows.k > 0 ? rows.k : dims > 0 ? (reducer?.k ?? 0) : 0;
  const origins: string[] = [];
  const classes: string[] = [];
  const classAt = new Map<string, number>();
  const targets = new Uint32Array(count);
  const splits: string[] = [];
  const reduced = new Float64Array(count * k);
  const hashes = new Uint32Array(count * 2);
  const others =
    count > MOST_OTHERS ? [] : (rows.others ?? []).map((n) => new Float32Array(count * n));
  const rest = dims > 0 && k > 0 && space?.dims === dims ? new Float64Array(count) : undefined;
  let at = 0;
  for await (const batch of rows.batches()) {
    const { n, vectors } = batch;
    const components = rows.k > 0 || k === 0 ? batch.reduced : reducer!.transform(vectors, n, at);
    reduced.set(components.subarray(0, n * k), at * k);
    others.forEach((kept, i) => {
      kept.set(batch.others?.[i] ?? [], at * rows.others![i]);
    });
    const values = dims > 0 ? vectors : components;
    const words = new Uint32Array(values.buffer, values.byteOffset, values.byteLength / 4);
    const width = n === 0 ? 0 : words.length / n;
    for (let i = 0; i < n; i++) {
      const row = at + i;
      origins.push(batch.origins[i]);
      if (batch.splits !== undefined) splits.push(batch.splits[i]);
      targets[row] = positionOf(batch.targets[i], classes, classAt);
      hashVector(words, i * width, (i + 1) * width, hashes, 2 * row);
      if (rest === undefined) continue;
      let kept = 0;
      for (let c = 0; c < k; c++) kept += reduced[row * k + c] ** 2;
      rest[row] = Math.sqrt(Math.max(0, squaredNorm(space!, vectors, i * dims) - kept));
    }
    if (dims > 0) onBatch(vectors, at);
    at += n;
  }
  const named = splits.length === count ? splits : undefined;
  return { count, origins, targets, classes, splits: named, k, reduced, others, hashes, rest };
}

function positionOf(name: string, classes: string[], classAt: Map<string, number>): number {
  let position = classAt.get(name);
  if (position === undefined) {
    position = classes.push(name) - 1;
    classAt.set(name, position);
  }
  return position;
}

/** Two 32-bit hashes of a vector's bits: equal vectors have equal ones, different ones almost never. */
function hashVector(
  words: Uint32Array,
  from: number,
  to: number,
  out: Uint32Array,
  at: number,
): void {
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  for (let i = from; i < to; i++) {
    const word = words[i];
    a = Math.imul(a ^ word, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul((b << 13) | (b >>> 19), 5) + Math.imul(word, 0xcc9e2d51);
    b ^= b >>> 11;
  }
  out[at] = a;
  out[at + 1] = b;
}

/** View 0 of each image: what findings, the map and pictures see. */
export function plainRows(rows: RunRows): RunRows {
  const { views = 1, count, dims, k, others = [] } = rows;
  if (views === 1) return rows;
  return {
    ...rows,
    count: count / views,
    views: 1,
    async *batches() {
      let at = 0;
      for await (const batch of rows.batches()) {
        const picked = Array.from({ length: batch.n }, (_, i) => i).filter(
          (i) => (at + i) % views === 0,
        );
        at += batch.n;
        const text = (texts: readonly string[]) => picked.map((i) => texts[i]);
        const [vectors, reduced] = [
          new Float32Array(picked.length * dims),
          new Float64Array(picked.length * k),
        ];
        yield {
          n: picked.length,
          origins: text(batch.origins),
          targets: text(batch.targets),
          splits: batch.splits && text(batch.splits),
          vectors: copyRows(batch.vectors, picked, vectors),
          reduced: copyRows(batch.reduced, picked, reduced),
          others: batch.others?.map((values, i) =>
            copyRows(values, picked, new Float64Array(picked.length * (others[i] ?? 0))),
          ),
        };
      }
    },
  };
}

/** Copies rows of a matrix; `to` has as many rows as are named. */
export function copyRows<A extends Float32Array | Float64Array>(
  from: A,
  rows: readonly number[],
  to: A,
): A {
  const width = to.length / Math.max(1, rows.length);
  rows.forEach((row, i) => {
    to.set(from.subarray(row * width, (row + 1) * width), i * width);
  });
  return to;
}

/** The rows of one run as findings and the report read them, from its work folder or from its table. */
export interface RunRows {
  /** Rows in all batches together. */
  readonly count: number;
  /** Rows of each image, one after the other, view 0 first; undefined = 1. A batch may cut them. */
  readonly views?: number | undefined;
  /** Values in a vector; 0 where the table holds none. */
  readonly dims: number;
  /** Values in a reduced vector; 0 where the table holds none. */
  readonly k: number;
  /** Values in a reduced vector of each further layer. */
  readonly others?: readonly number[];
  /** In row order, the same at each call. */
  batches(): AsyncIterable<RowBatch>;
}

export interface RowBatch {
  readonly n: number;
  readonly origins: readonly string[];
  readonly targets: readonly string[];
  readonly splits?: readonly string[] | undefined;
  /** float32 [n, dims]; empty where dims is 0 */
  readonly vectors: Float32Array;
  /** float64 [n, k]; empty where k is 0 */
  readonly reduced: Float64Array;
  /** The same of each further layer; none in rows of a run that this one is compared with. */
  readonly others?: readonly Float64Array[];
}
