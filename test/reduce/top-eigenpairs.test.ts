import { expect, test } from 'vitest';
import { type SymmetricOperator, topEigenpairs } from '../../src/reduce/eigen/top-eigenpairs.ts';
import { randomRows, worst } from './feature-rows.ts';

const limits = { capacity: 40, maxApplies: 1000 };

/** A symmetric matrix [d, d] as an operator. */
function matrix(rows: ArrayLike<number>, dims: number): SymmetricOperator {
  return {
    dims,
    apply(block, b) {
      const out = new Float64Array(b * dims);
      for (let v = 0; v < b; v++) {
        for (let i = 0; i < dims; i++) {
          for (let j = 0; j < dims; j++)
            out[v * dims + i]! += rows[i * dims + j]! * block[v * dims + j]!;
        }
      }
      return out;
    },
  };
}

/**
 * H diag(values) H with the reflection H = I - 2 u u^T: the eigenvector of values[i] is column i of H.
 */
function known(values: readonly number[]) {
  const dims = values.length;
  const u = Float64Array.from(randomRows(1, dims, 9));
  const length = Math.hypot(...u);
  const vector = (i: number) => {
    return u.map((entry, j) => (i === j ? 1 : 0) - (2 * entry * u[i]!) / length ** 2);
  };
  const operator: SymmetricOperator = {
    dims,
    apply(block, b) {
      const reflect = (row: Float64Array) => {
        const along = row.reduce((sum, entry, j) => sum + entry * u[j]!, 0);
        return row.map((entry, j) => entry - (2 * along * u[j]!) / length ** 2);
      };
      const out = new Float64Array(b * dims);
      for (let v = 0; v < b; v++) {
        const row = reflect(block.subarray(v * dims, (v + 1) * dims));
        out.set(reflect(row.map((entry, j) => entry * values[j]!)), v * dims);
      }
      return out;
    },
  };
  return { operator, vector };
}

/** Sine of the angle between two unit vectors, whatever their signs. */
function sine(a: Float64Array, b: Float64Array): number {
  const along = a.reduce((sum, entry, j) => sum + entry * b[j]!, 0);
  return Math.hypot(...a.map((entry, j) => entry - along * b[j]!));
}

function expectOrthonormal(vectors: Float64Array, k: number): void {
  const dims = vectors.length / k;
  for (let a = 0; a < k; a++) {
    for (let b = 0; b <= a; b++) {
      let product = 0;
      for (let j = 0; j < dims; j++) product += vectors[a * dims + j]! * vectors[b * dims + j]!;
      expect(Math.abs(product - (a === b ? 1 : 0))).toBeLessThan(1e-13);
    }
  }
}

test('a 3 x 3 matrix solved by hand', async () => {
  // [[2, 1, 0], [1, 2, 0], [0, 0, 5]]: 5 along z, 3 along (1, 1, 0), 1 along (1, -1, 0).
  const pairs = await topEigenpairs(matrix([2, 1, 0, 1, 2, 0, 0, 0, 5], 3), 2, limits);
  expect(worst(pairs.values, [5, 3])).toBeLessThan(1e-13);
  const half = Math.SQRT1_2;
  expect(worst(pairs.vectors.map(Math.abs), [0, 0, 1, half, half, 0])).toBeLessThan(1e-13);
});

test('the second difference matrix has the values of its closed form', async () => {
  // 2 on the diagonal, -1 beside it: 2 - 2 cos(pi j / (d + 1)), packed densely at the top.
  const d = 70;
  const rows = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    rows[i * d + i] = 2;
    if (i > 0) rows[i * d + i - 1] = rows[(i - 1) * d + i] = -1;
  }
  const pairs = await topEigenpairs(matrix(rows, d), 4, limits);
  const expected = [70, 69, 68, 67].map((j) => 2 - 2 * Math.cos((Math.PI * j) / 71));
  expect(worst(pairs.values, expected)).toBeLessThan(1e-13);
  const first = Float64Array.from({ length: d }, (_, i) => {
    return Math.sqrt(2 / 71) * Math.sin((Math.PI * 70 * (i + 1)) / 71);
  });
  expect(sine(pairs.vectors.subarray(0, d), first)).toBeLessThan(1e-10);
});

test('values that fall by ten orders are all found, with their vectors', async () => {
  const values = Array.from({ length: 150 }, (_, i) => 10 ** -i);
  const { operator, vector } = known(values);
  const pairs = await topEigenpairs(operator, 10, limits);
  expect(worst(pairs.values, values.slice(0, 10))).toBeLessThan(1e-13);
  for (let i = 0; i < 6; i++) {
    expect(sine(pairs.vectors.subarray(i * 150, (i + 1) * 150), vector(i))).toBeLessThan(1e-9);
  }
  expectOrthonormal(pairs.vectors, 10);
});

test('a cluster of values 1e-6 apart is told apart', async () => {
  const values = Array.from({ length: 100 }, (_, i) => (i < 5 ? 2 - i * 1e-6 : 1 / (i + 1)));
  const { operator, vector } = known(values);
  const pairs = await topEigenpairs(operator, 5, limits);
  expect(worst(pairs.values, values.slice(0, 5))).toBeLessThan(1e-13);
  for (let i = 0; i < 5; i++) {
    expect(sine(pairs.vectors.subarray(i * 100, (i + 1) * 100), vector(i))).toBeLessThan(1e-7);
  }
});

test('a value of multiplicity eight is found eight times', async () => {
  const values = Array.from({ length: 90 }, (_, i) => (i < 8 ? 3 : 1 - i / 100));
  const { operator, vector } = known(values);
  const pairs = await topEigenpairs(operator, 9, limits);
  expect(worst(pairs.values, [...values.slice(0, 8), 0.92])).toBeLessThan(1e-13);
  expectOrthonormal(pairs.vectors, 9);
  expect(sine(pairs.vectors.subarray(8 * 90, 9 * 90), vector(8))).toBeLessThan(1e-9);
});

test('blocks narrower than a multiple value find all of it', async () => {
  const values = Array.from({ length: 90 }, (_, i) => (i < 8 ? 3 : 1 - i / 100));
  const { operator, vector } = known(values);
  const pairs = await topEigenpairs({ ...operator, isCostly: true }, 9, { ...limits, width: 4 });
  expect(worst(pairs.values, [...values.slice(0, 8), 0.92])).toBeLessThan(1e-13);
  expectOrthonormal(pairs.vectors, 9);
  expect(sine(pairs.vectors.subarray(8 * 90, 9 * 90), vector(8))).toBeLessThan(1e-9);
});

test('narrow blocks continue where their span is closed', async () => {
  const { operator } = known(new Array<number>(60).fill(1));
  const pairs = await topEigenpairs({ ...operator, isCostly: true }, 10, { ...limits, width: 4 });
  expect(worst(pairs.values, new Array<number>(10).fill(1))).toBeLessThan(1e-13);
  expectOrthonormal(pairs.vectors, 10);
});

test('the identity, one value for all, ends at once', async () => {
  const { operator } = known(new Array<number>(60).fill(1));
  const pairs = await topEigenpairs(operator, 3, limits);
  expect(worst(pairs.values, [1, 1, 1])).toBeLessThan(1e-13);
  expect(pairs.applies).toBe(1);
});

test('a rank below k leaves zeros', async () => {
  const values = [4, 2, ...new Array<number>(48).fill(0)];
  const pairs = await topEigenpairs(known(values).operator, 5, limits);
  expect(worst(pairs.values, [4, 2, 0, 0, 0])).toBeLessThan(1e-13);
});

test('the zero matrix has the value zero', async () => {
  const pairs = await topEigenpairs(matrix(new Float64Array(400), 20), 3, limits);
  expect([...pairs.values]).toEqual([0, 0, 0]);
  expect(pairs.residual).toBe(0);
});

test('one dimension is its own vector', async () => {
  const pairs = await topEigenpairs(matrix([7], 1), 1, limits);
  expect([...pairs.values]).toEqual([7]);
  expect(Math.abs(pairs.vectors[0]!)).toBe(1);
});

test('all pairs of a small matrix can be had', async () => {
  const { operator, vector } = known([5, 4, 3, 2, 1]);
  const pairs = await topEigenpairs(operator, 5, limits);
  expect(worst(pairs.values, [5, 4, 3, 2, 1])).toBeLessThan(1e-13);
  expect(sine(pairs.vectors.subarray(20), vector(4))).toBeLessThan(1e-13);
});

test('the limit of products ends a hard case with its residual', async () => {
  const values = Array.from({ length: 400 }, (_, i) => 1 - i * 1e-5);
  const pairs = await topEigenpairs(known(values).operator, 2, { ...limits, maxApplies: 3 });
  expect(pairs.applies).toBe(3);
  expect(pairs.residual).toBeGreaterThan(1e-6);
  expect(pairs.residual).toBeLessThan(4e-3);
});

test('a costly operator is told how many more products are to come, and may turn cheap', async () => {
  const values = Array.from({ length: 300 }, (_, i) => 0.9 ** i);
  const { operator, vector } = known(values);
  const foreseen: number[] = [];
  const foresee = async (more: number) => void foreseen.push(more);
  const steady = await topEigenpairs({ ...operator, isCostly: true, foresee }, 3, {
    ...limits,
    width: 4,
  });
  expect(foreseen[0]).toBe(Number.POSITIVE_INFINITY);
  // Convergence is superlinear: half way it comes sooner than the mean rate says, by less than a factor of three.
  const half = foreseen.length >> 1;
  const left = steady.applies - (half + 1);
  expect(foreseen[half]! / left).toBeGreaterThan(0.8);
  expect(foreseen[half]! / left).toBeLessThan(3);
  let isCostly = true;
  const turning: SymmetricOperator = {
    ...operator,
    get isCostly() {
      return isCostly;
    },
    foresee: async () => {
      isCostly = false;
    },
  };
  // Costly products are few; cheap ones may be more.
  const few = { ...limits, width: 4, maxApplies: 5, maxCheapApplies: 1000 };
  const turned = await topEigenpairs(turning, 3, few);
  expect(worst(turned.values, values.slice(0, 3))).toBeLessThan(1e-13);
  expect(sine(turned.vectors.subarray(600), vector(2))).toBeLessThan(1e-9);
});

test('two runs give the same bits', async () => {
  const { operator } = known(Array.from({ length: 80 }, (_, i) => 1 / (i + 1)));
  const [first, second] = [
    await topEigenpairs(operator, 4, limits),
    await topEigenpairs(operator, 4, limits),
  ];
  expect(first).toEqual(second);
});
