import { PCA } from 'ml-pca';
import { norm } from './basis.ts';

/** T = V^T A V for a growing basis V: a symmetric matrix small enough for ml-pca to solve whole. */
export class SmallProblem {
  readonly #capacity: number;
  readonly #matrix: Float64Array;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#matrix = new Float64Array(capacity * capacity);
  }

  /** Sets the rows from `first` on, and the columns that mirror them, from products [b, size]. */
  setRows(first: number, products: Float64Array, b: number, size: number): void {
    for (let v = 0; v < b; v++) {
      for (let j = 0; j < size; j++) this.#set(first + v, j, products[v * size + j]);
    }
  }

  /** The problem of a basis made of eigenvectors: their values on the diagonal. */
  setDiagonal(values: Float64Array, size: number): void {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < i; j++) this.#set(i, j, 0);
      this.#set(i, i, values[i]);
    }
  }

  /** All eigenpairs of the leading [size, size] part. */
  solve(size: number): SmallPairs {
    const rows = Array.from({ length: size }, (_, i) =>
      Array.from(this.#matrix.subarray(i * this.#capacity, i * this.#capacity + size)),
    );
    const pca = new PCA(rows, { isCovarianceMatrix: true });
    const columns = pca.getEigenvectors();
    const mixes = new Float64Array(size * size);
    for (let v = 0; v < size; v++) {
      for (let j = 0; j < size; j++) mixes[v * size + j] = columns.get(j, v);
    }
    return new SmallPairs(Float64Array.from(pca.getEigenvalues()), mixes);
  }

  #set(i: number, j: number, value: number): void {
    this.#matrix[i * this.#capacity + j] = value;
    this.#matrix[j * this.#capacity + i] = value;
  }
}

/** Eigenvalues, falling, and for each how its vector is mixed from the basis. */
export class SmallPairs {
  /** float64 [size] */
  readonly values: Float64Array;
  readonly #all: Float64Array;

  constructor(values: Float64Array, mixes: Float64Array) {
    this.values = values;
    this.#all = mixes;
  }

  /** The mixes of the first k pairs, [k, size]. */
  mixes(k: number): Float64Array {
    return this.#all.subarray(0, k * this.values.length);
  }

  /**
   * |A v - value v| of the first k pairs: by A V = V T + R E^T it is the length of R^T times the last
   * b entries of the mix, where R [b, dims] is what the last b products have beyond the basis.
   */
  residuals(beyond: Float64Array, b: number, k: number): Float64Array {
    const size = this.values.length;
    const dims = beyond.length / b;
    return Float64Array.from({ length: k }, (_, i) => {
      const residual = new Float64Array(dims);
      for (let v = 0; v < b; v++) {
        const share = this.#all[(i + 1) * size - b + v];
        for (let j = 0; j < dims; j++) residual[j] += share * beyond[v * dims + j];
      }
      return norm(residual);
    });
  }
}
