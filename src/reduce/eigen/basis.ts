import { createKernel, loadFour, padToTile, TILE, type TileKernel } from '../kernels.ts';

/**
 * Orthonormal vectors that grow by blocks, float64. The kernel's memory holds them twice, as its two products need
 * them: by rows [capacity, padded], and [capacity / 4][padded][4]; then four vectors [padded][4] or as many
 * shares, and [4, padded] or [4, capacity] results.
 */
export class Basis {
  readonly dims: number;
  readonly capacity: number;
  /** Vectors so far. */
  size = 0;
  readonly #kernel: TileKernel;
  readonly #padded: number;
  /** Of a row of results of inner products. */
  readonly #width: number;
  readonly #tilesAt: number;
  readonly #fourAt: number;
  readonly #resultsAt: number;

  constructor(dims: number, capacity: number) {
    this.dims = dims;
    this.capacity = capacity;
    this.#padded = padToTile(dims);
    this.#width = padToTile(capacity);
    const longest = TILE * Math.max(this.#padded, this.#width);
    this.#tilesAt = capacity * this.#padded;
    this.#fourAt = this.#tilesAt + this.#width * this.#padded;
    this.#resultsAt = this.#fourAt + longest;
    this.#kernel = createKernel(this.#resultsAt + longest);
  }

  /** A copy of the vectors from `first` to before `end`, [end - first, dims]. */
  rows(first: number, end: number): Float64Array {
    const { dims } = this;
    const padded = this.#padded;
    const out = new Float64Array((end - first) * dims);
    for (let v = first; v < end; v++) {
      out.set(this.#kernel.memory.subarray(v * padded, v * padded + dims), (v - first) * dims);
    }
    return out;
  }

  /**
   * Adds what the candidates have beyond the span so far, orthonormalised one after the other.
   * @param candidates [b, dims]; overwritten.
   * @param floor candidates whose remainder is no longer than this add nothing.
   * @returns how many vectors were added.
   */
  extend(candidates: Float64Array, b: number, floor: number): number {
    const { dims } = this;
    const before = this.size;
    for (let v = 0; v < b && this.size < this.capacity; v++) {
      const vector = candidates.subarray(v * dims, (v + 1) * dims);
      let length = norm(vector);
      // Once is enough where little is subtracted; else rounding leaves a part that the next pass removes.
      for (let pass = 0; pass < 4; pass++) {
        const longer = length;
        this.remove(vector, this.project(vector, 1), 1);
        length = norm(vector);
        if (length > longer / 2) break;
      }
      if (length <= floor) continue;
      for (let i = 0; i < dims; i++) vector[i] /= length;
      this.#put(this.size++, vector);
    }
    return this.size - before;
  }

  /** Inner products of a block [b, dims] with each vector, [b, size]. */
  project(block: Float64Array, b: number): Float64Array {
    const { dims, size } = this;
    const padded = this.#padded;
    const width = this.#width;
    const tilesAt = this.#tilesAt;
    const fourAt = this.#fourAt;
    const resultsAt = this.#resultsAt;
    const kernel = this.#kernel;
    const { memory } = kernel;
    const products = new Float64Array(b * size);
    const groups = Math.ceil(size / TILE);
    if (groups === 0) return products;
    for (let first = 0; first < b; first += TILE) {
      loadFour(memory, fourAt, block, dims, first);
      memory.fill(0, resultsAt, resultsAt + TILE * width);
      const groupStep = padded * TILE;
      kernel.multiply(fourAt, TILE, tilesAt, TILE, groupStep, groups, dims, resultsAt, width);
      for (let v = first; v < Math.min(b, first + TILE); v++) {
        const at = resultsAt + (v - first) * width;
        products.set(memory.subarray(at, at + size), v * size);
      }
    }
    return products;
  }

  /** Subtracts from each row of a block [b, dims] the vectors times `shares` [b, size]. */
  remove(block: Float64Array, shares: Float64Array, b: number): void {
    this.#addCombination(
      block,
      shares.map((share) => -share),
      b,
    );
  }

  /** The vectors mixed by `mixes` [b, size] into [b, dims]. */
  combine(mixes: Float64Array, b: number): Float64Array {
    const out = new Float64Array(b * this.dims);
    this.#addCombination(out, mixes, b);
    return out;
  }

  /** Replaces the vectors by `b` orthonormal mixes of them. */
  replace(mixes: Float64Array, b: number): void {
    const { dims } = this;
    const mixed = this.combine(mixes, b);
    for (let v = 0; v < b; v++) this.#put(v, mixed.subarray(v * dims, (v + 1) * dims));
    this.size = b;
  }

  #addCombination(block: Float64Array, shares: Float64Array, b: number): void {
    const { dims, size } = this;
    const padded = this.#padded;
    const fourAt = this.#fourAt;
    const resultsAt = this.#resultsAt;
    const kernel = this.#kernel;
    const { memory } = kernel;
    if (size === 0) return;
    for (let first = 0; first < b; first += TILE) {
      const end = Math.min(b, first + TILE);
      loadFour(memory, fourAt, shares, size, first);
      for (let v = first; v < end; v++) {
        const at = resultsAt + (v - first) * padded;
        memory.set(block.subarray(v * dims, (v + 1) * dims), at);
      }
      const groups = padded / TILE;
      kernel.multiply(fourAt, TILE, 0, padded, TILE, groups, size, resultsAt, padded);
      for (let v = first; v < end; v++) {
        const at = resultsAt + (v - first) * padded;
        block.set(memory.subarray(at, at + dims), v * dims);
      }
    }
  }

  #put(v: number, vector: Float64Array): void {
    const padded = this.#padded;
    const tilesAt = this.#tilesAt;
    const kernel = this.#kernel;
    kernel.memory.set(vector, v * padded);
    const at = tilesAt + (v >> 2) * padded * TILE + (v & 3);
    for (let i = 0; i < vector.length; i++) kernel.memory[at + i * TILE] = vector[i];
  }
}

/** Euclidean length. */
export function norm(vector: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i] * vector[i];
  return Math.sqrt(sum);
}
