/** Orthonormal vectors that grow by blocks: float64 [capacity, dims], one vector a row. */
export class Basis {
  readonly dims: number;
  readonly capacity: number;
  /** Vectors so far. */
  size = 0;
  private vectors: Float64Array;

  constructor(dims: number, capacity: number) {
    this.dims = dims;
    this.capacity = capacity;
    this.vectors = new Float64Array(dims * capacity);
  }

  /** A view of the vectors from `first` to before `end`, [end - first, dims]. */
  rows(first: number, end: number): Float64Array {
    return this.vectors.subarray(first * this.dims, end * this.dims);
  }

  /**
   * Adds what the candidates have beyond the span so far, orthonormalised one after the other.
   * @param candidates [b, dims]; spoiled.
   * @param floor candidates whose remainder is no longer than this add nothing.
   * @returns how many vectors were added.
   */
  extend(candidates: Float64Array, b: number, floor: number): number {
    const { dims } = this;
    const before = this.size;
    for (let v = 0; v < b && this.size < this.capacity; v++) {
      const vector = candidates.subarray(v * dims, (v + 1) * dims);
      let length = norm(vector);
      // Once is enough where little is taken away; else rounding leaves a part that the next pass takes.
      for (let pass = 0; pass < 4; pass++) {
        const longer = length;
        this.remove(vector, this.project(vector, 1), 1);
        length = norm(vector);
        if (length > longer / 2) break;
      }
      if (length <= floor) continue;
      const at = this.size * dims;
      for (let i = 0; i < dims; i++) this.vectors[at + i] = vector[i]! / length;
      this.size++;
    }
    return this.size - before;
  }

  /** Inner products of a block [b, dims] with each vector, [b, size]. */
  project(block: Float64Array, b: number): Float64Array {
    const { dims, size, vectors } = this;
    const products = new Float64Array(b * size);
    for (let v = 0; v < b; v++) {
      const row = block.subarray(v * dims, (v + 1) * dims);
      let j = 0;
      for (; j + 4 <= size; j += 4) project4(vectors, j * dims, row, products, v * size + j);
      for (; j < size; j++) {
        const at = j * dims;
        let sum = 0;
        for (let i = 0; i < dims; i++) sum += vectors[at + i]! * row[i]!;
        products[v * size + j] = sum;
      }
    }
    return products;
  }

  /** Takes from each row of a block [b, dims] the vectors times `shares` [b, size]. */
  remove(block: Float64Array, shares: Float64Array, b: number): void {
    for (let v = 0; v < b; v++) {
      const row = block.subarray(v * this.dims, (v + 1) * this.dims);
      const own = shares.subarray(v * this.size, (v + 1) * this.size);
      subtractCombination(this.vectors, own, row);
    }
  }

  /** The vectors mixed by `mixes` [b, size] into [b, dims]. */
  combine(mixes: Float64Array, b: number): Float64Array {
    const out = new Float64Array(b * this.dims);
    this.remove(out, mixes, b);
    return out.map((value) => -value);
  }

  /** Puts `b` orthonormal mixes of the vectors in their place. */
  replace(mixes: Float64Array, b: number): void {
    this.vectors.set(this.combine(mixes, b));
    this.size = b;
  }
}

/** Takes from `row` [dims] the sum of shares[j] times the j-th row of `vectors`. */
export function subtractCombination(
  vectors: Float64Array,
  shares: Float64Array,
  row: Float64Array,
): void {
  const dims = row.length;
  const size = shares.length;
  let j = 0;
  for (; j + 4 <= size; j += 4) subtract4(vectors, j * dims, shares, j, row);
  for (; j < size; j++) {
    const share = shares[j]!;
    for (let i = 0; i < dims; i++) row[i]! -= share * vectors[j * dims + i]!;
  }
}

/** Four inner products that share the loads of `row`. */
function project4(
  vectors: Float64Array,
  at: number,
  row: Float64Array,
  out: Float64Array,
  to: number,
): void {
  const dims = row.length;
  const [at1, at2, at3] = [at + dims, at + 2 * dims, at + 3 * dims];
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = 0; i < dims; i++) {
    const value = row[i]!;
    s0 += vectors[at + i]! * value;
    s1 += vectors[at1 + i]! * value;
    s2 += vectors[at2 + i]! * value;
    s3 += vectors[at3 + i]! * value;
  }
  out[to] = s0;
  out[to + 1] = s1;
  out[to + 2] = s2;
  out[to + 3] = s3;
}

/** Takes four multiples from `row` with one load and one store of it. */
function subtract4(
  vectors: Float64Array,
  at: number,
  shares: Float64Array,
  j: number,
  row: Float64Array,
): void {
  const dims = row.length;
  const [at1, at2, at3] = [at + dims, at + 2 * dims, at + 3 * dims];
  const h0 = shares[j]!;
  const h1 = shares[j + 1]!;
  const h2 = shares[j + 2]!;
  const h3 = shares[j + 3]!;
  for (let i = 0; i < dims; i++) {
    row[i]! -=
      h0 * vectors[at + i]! +
      h1 * vectors[at1 + i]! +
      h2 * vectors[at2 + i]! +
      h3 * vectors[at3 + i]!;
  }
}

/** Euclidean length. */
export function norm(vector: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i]! * vector[i]!;
  return Math.sqrt(sum);
}
