import { expect, test } from 'vitest';
import { ColumnMoments } from '../../src/reduce/column-moments.ts';
import { Moments } from '../../src/reduce/moments.ts';
import { randomRows, worst } from './feature-rows.ts';

// Threads start from what is built.
const built = new URL('../../dist/reduce/moments.js', import.meta.url).href;
const { Moments: Threaded } = (await import(built)) as { Moments: typeof Moments };

// Rows (1,2,3), (3,2,1), (5,5,5): means 3, 3, 3; deviations (-2,-1,0), (0,-1,-2), (2,2,2).
const rows3 = Float32Array.of(1, 2, 3, 3, 2, 1, 5, 5, 5);
const scatter3 = [8, 6, 4, 6, 6, 6, 4, 6, 8];

test('three rows give the scatter matrix worked out by hand', async () => {
  const moments = new Moments(3);
  await moments.add(rows3, 3);
  expect(moments.count).toBe(3);
  expect([...(await moments.mean())]).toEqual([3, 3, 3]);
  expect([...(await scatterOf(moments))]).toEqual(scatter3);
  expect([...(await moments.squares())]).toEqual([8, 6, 8]);
});

test('columns alone give the same means and squares', async () => {
  const moments = new ColumnMoments(3);
  moments.add(rows3, 3);
  expect([...moments.mean()]).toEqual([3, 3, 3]);
  expect([...moments.squares()]).toEqual([8, 6, 8]);
});

/** Mean and scatter matrix in two passes, each sum compensated (Neumaier). */
function twoPasses(values: Float32Array, n: number, d: number) {
  const sum = (terms: (i: number) => number) => {
    let [total, rest] = [0, 0];
    for (let i = 0; i < n; i++) {
      const term = terms(i);
      const next = total + term;
      rest += Math.abs(total) >= Math.abs(term) ? total - next + term : term - next + total;
      total = next;
    }
    return total + rest;
  };
  const mean = Array.from({ length: d }, (_, j) => sum((i) => values[i * d + j]!) / n);
  const scatter = Array.from({ length: d * d }, (_, at) => {
    const [j, k] = [Math.floor(at / d), at % d];
    return sum((i) => (values[i * d + j]! - mean[j]!) * (values[i * d + k]! - mean[k]!));
  });
  return { mean, scatter };
}

test('600 rows of 37 values agree with two compensated passes to 1e-13', async () => {
  const values = randomRows(600, 37, 1);
  const moments = new Moments(37);
  await moments.add(values, 600);
  const expected = twoPasses(values, 600, 37);
  const scale = Math.max(...expected.scatter);
  (await moments.mean()).forEach((mean, j) => {
    expect(Math.abs(mean - expected.mean[j]!)).toBeLessThan(1e-14);
  });
  (await scatterOf(moments)).forEach((value, at) => {
    expect(Math.abs(value - expected.scatter[at]!)).toBeLessThan(1e-13 * scale);
  });
});

/** float32 has steps of 1/16 at 1e6: in each column one row of 4,000 is a step above the others, or all rows are spread. */
const FAR_FROM_ZERO = {
  'a deviation of 1e-3': Float32Array.from({ length: 20_000 }, (_, at) => {
    return 1e6 + (Math.floor(at / 5) === 700 * (at % 5) + 13 ? 1 / 16 : 0);
  }),
  'a deviation of 8': randomRows(1000, 5, 2).map((value) => 1e6 + 8 * value),
};

test.each(Object.entries(FAR_FROM_ZERO))(
  'a mean of 1e6 over %s loses no more than the data have lost',
  async (_, values) => {
    const n = values.length / 5;
    const expected = twoPasses(values, n, 5).scatter;
    const [moments, columns] = [new Moments(5), new ColumnMoments(5)];
    await moments.add(values, n);
    columns.add(values, n);
    (await scatterOf(moments)).forEach((value, at) => {
      expect(Math.abs(value / expected[0]! - expected[at]! / expected[0]!)).toBeLessThan(1e-12);
    });
    columns.squares().forEach((value, j) => {
      expect(Math.abs(value / expected[j * 6]! - 1)).toBeLessThan(1e-12);
    });
  },
);

test('rows sorted by class, far apart, keep their deviations', async () => {
  // The steps of float32 are 8 at 1e8.
  const values = Float32Array.from({ length: 2000 }, (_, i) => {
    return i < 1000 ? i % 2 : 1e8 + 8 * (i % 2);
  });
  const moments = new Moments(1);
  await moments.add(values, 2000);
  // 1000 / 4 and 1000 64 / 4 within the classes, 500 times the square of their distance between them.
  const [squares] = await moments.squares();
  expect(squares! / (500 * (1e8 + 3.5) ** 2 + 16_250) - 1).toBeCloseTo(0, 14);
});

test('an outlier in a column that is far from zero costs no more than three digits', async () => {
  const values = randomRows(600, 3, 9).map((value, at) => (at % 700 === 3 ? -2 : 1e6 + value));
  const moments = new Moments(3);
  await moments.add(values, 600);
  const expected = twoPasses(values, 600, 3).scatter;
  (await scatterOf(moments)).forEach((value, at) => {
    expect(Math.abs(value - expected[at]!)).toBeLessThan(1e-12 * expected[0]!);
  });
});

test('the cut into blocks changes no bit', async () => {
  const values = randomRows(700, 9, 3);
  const whole = new Moments(9);
  await whole.add(values, 700);
  const pieces = new Moments(9);
  for (let at = 0, n = 1; at < 700; at += n, n = Math.min(700 - at, n + 37)) {
    await pieces.add(values.subarray(at * 9, (at + n) * 9), n);
  }
  expect(await scatterOf(pieces)).toEqual(await scatterOf(whole));
  expect(await pieces.mean()).toEqual(await whole.mean());
});

const FORMS_OF_VALUES = {
  fractions: (value: number, at: number) => value * (1 + (at % 7)) + 100,
  pixels: (value: number) => Math.min(255, Math.round(90 + 70 * value)),
  'whole numbers, some of them too large for products in int32': (value: number, at: number) =>
    Math.round((at % 133 === 130 && at > 70_000 ? 2000 : 700) * value),
};

test.each(Object.entries(FORMS_OF_VALUES))(
  'neither threads nor WebAssembly change a bit of the sums of %s',
  async (_, make) => {
    const [n, dims] = [2600, 133];
    const values = randomRows(n, dims, 4).map(make);
    const [one, wasm, many] = [
      new Moments(dims),
      new Moments(dims, 0, null),
      new Threaded(dims, 1e6),
    ];
    for (const moments of [one, wasm, many]) {
      await moments.add(values.subarray(0, 901 * dims), 901);
      await moments.add(values.subarray(901 * dims), n - 901);
    }
    const [scatter, mean] = [await scatterOf(one), await one.mean()];
    for (const moments of [wasm, many]) {
      expect(await moments.mean()).toEqual(mean);
      expect(await scatterOf(moments)).toEqual(scatter);
      await moments.close();
    }
  },
);

test('rows added after a look at the sums join them', async () => {
  const values = randomRows(400, 7, 8);
  const moments = new Moments(7);
  await moments.add(values.subarray(0, 150 * 7), 150);
  await moments.squares();
  await moments.add(values.subarray(150 * 7), 250);
  const expected = twoPasses(values, 400, 7);
  expect(worst(await moments.mean(), expected.mean)).toBeLessThan(1e-14);
  expect(worst(await scatterOf(moments), expected.scatter)).toBeLessThan(1e-11);
});

test('a constant column has squares of exactly zero', async () => {
  const values = randomRows(777, 2, 5).map((value, at) => (at % 2 === 0 ? 0.1 : value));
  const [moments, columns] = [new Moments(2), new ColumnMoments(2)];
  await moments.add(values, 777);
  columns.add(values, 777);
  expect((await moments.squares())[0]).toBe(0);
  expect(columns.squares()[0]).toBe(0);
  expect((await moments.mean())[0]).toBe(Math.fround(0.1));
});

test('no rows and one row have no scatter', async () => {
  const moments = new Moments(2);
  expect([...(await scatterOf(moments))]).toEqual([0, 0, 0, 0]);
  await moments.add(Float32Array.of(7, 9), 1);
  expect([...(await moments.mean())]).toEqual([7, 9]);
  expect([...(await scatterOf(moments))]).toEqual([0, 0, 0, 0]);
});

test('a value that is not finite names its row and place', async () => {
  for (const moments of [new Moments(3), new ColumnMoments(3)]) {
    await moments.add(rows3, 3);
    const bad = Float32Array.of(1, 2, 3, 4, Number.POSITIVE_INFINITY, 6);
    await expect(async () => moments.add(bad, 2)).rejects.toThrow(
      'Expected finite features for row 4 but found Infinity at value 1',
    );
  }
});

test('the scatter matrix times vectors is the product of the two', async () => {
  const [d, b] = [133, 67];
  const moments = new Moments(d);
  await moments.add(randomRows(300, d, 6), 300);
  const scatter = await scatterOf(moments);
  const block = Float64Array.from(randomRows(b, d, 7));
  const image = await moments.applyScatter(block, b);
  for (const [v, j] of [
    [0, 0],
    [0, 132],
    [3, 50],
    [63, 1],
    [64, 2],
    [66, 132],
  ] as const) {
    let expected = 0;
    for (let i = 0; i < d; i++) expected += scatter[i * d + j]! * block[v * d + i]!;
    expect(Math.abs(image[v * d + j]! - expected)).toBeLessThan(1e-12 * scatter[0]!);
  }
});

/** The scatter matrix, [dims, dims]: its products with the unit vectors. */
function scatterOf(moments: Moments): Promise<Float64Array> {
  const { dims } = moments;
  const unit = Float64Array.from({ length: dims ** 2 }, (_, i) => (i % (dims + 1) === 0 ? 1 : 0));
  return moments.applyScatter(unit, dims);
}
