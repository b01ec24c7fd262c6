import type { Points } from '../../src/quality/nearest.ts';

/** Numbers from 0 to 1, the same at each call. */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export interface SampleOptions {
  readonly seed: number;
  readonly images: number;
  readonly dims: number;
  readonly classes: number;
  readonly views?: number;
  /** Share of the images tested; undefined: five folds. */
  readonly tested?: number;
  /** Values are whole numbers: many vectors are equally far. */
  readonly isWhole?: boolean;
}

/** Classes that overlap: a centre and noise. The last column is constant. */
export function samplePoints(options: SampleOptions): Points {
  const { seed, images, dims, classes, views = 1, tested, isWhole = false } = options;
  const next = numbers(seed);
  const centres = Float64Array.from({ length: classes * dims }, () => 4 * next());
  const targets = Uint32Array.from({ length: images }, () => Math.floor(classes * next()));
  const values = new Float32Array(images * views * dims);
  for (let row = 0; row < images * views; row++) {
    const target = targets[Math.floor(row / views)];
    for (let j = 0; j < dims; j++) {
      const value = centres[target! * dims + j]! + 8 * next() * next() * next();
      values[row * dims + j] = j === dims - 1 ? 3 : isWhole ? Math.round(value) : value;
    }
  }
  const foldOf = Int8Array.from({ length: images }, (_, i) => {
    if (tested === undefined) return i % 5;
    return next() < tested ? 0 : -1;
  });
  return { values, dims, views, targets, classes, foldOf };
}
