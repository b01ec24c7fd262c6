import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readNpz } from '../../src/reduce/npz.ts';
import { ReducerFitter } from '../../src/reduce/reducer-fitter.ts';
import { describeReference } from '../reference.ts';
import { blocksOf, fitRows, randomRows, worst } from './feature-rows.ts';

const plain = { k: 3, standardize: false, center: true };
const scaled = { k: 3, standardize: true, center: true };

describe('40 rows of 6 values, as scikit-learn 1.9.1 reduces them', () => {
  const factors = [5, 4, 3, 2, 1, 0.5];
  const offsets = [10, 0, -3, 1000, 0, 7];
  const values = randomRows(40, 6, 11).map((value, at) => {
    return Math.fround(value * factors[at % 6]!) + offsets[at % 6]!;
  });

  test('PCA', async () => {
    const reducer = await fitRows(values, 6, plain);
    expect(
      worst(
        reducer.components,
        [
          0.9470951417721761, -0.3169856827311725, 0.01759167540290474, 0.0434696261868941,
          0.0059418648447326135, -0.01721883192470727, 0.29284540376307927, 0.8259717875780572,
          -0.4494850385836837, -0.16898044019655084, -0.03755867673653101, 0.0032143960789935977,
          0.12942528459721292, 0.430310293969731, 0.8915790216879257, -0.03395281731167525,
          -0.04435084590545188, 0.007014510723264214,
        ],
      ),
    ).toBeLessThan(1e-13);
    expect(
      worst(reducer.explainedVariance, [7.948767382616193, 5.719029331420214, 2.301262853927029]),
    ).toBeLessThan(1e-13);
    expect(
      worst(
        reducer.explainedVarianceRatio,
        [0.45642305730424865, 0.32839014234686975, 0.13213991262936814],
      ),
    ).toBeLessThan(1e-14);
    expect(
      worst(
        reducer.transform(values, 2),
        [
          0.010972078574127409, -0.1890116524872667, 1.1560683342837876, -4.111760736742902,
          -1.3247372359398923, 0.6514211346166761,
        ],
      ),
    ).toBeLessThan(1e-12);
  });

  test('StandardScaler and PCA', async () => {
    const reducer = await fitRows(values, 6, scaled);
    expect(
      worst(
        reducer.scalerStd,
        [
          2.7675256332319536, 2.2712783311287987, 1.7290841911868244, 1.1045858725918922,
          0.5476585743425918, 0.2960993219023011,
        ],
      ),
    ).toBeLessThan(1e-14);
    expect(
      worst(
        reducer.components,
        [
          -0.13024219630869927, 0.64658132222037, -0.48738265920823587, -0.5090858195448921,
          -0.22214014204253235, 0.13752488208023544, -0.563426486904588, 0.024653425748243696,
          0.1911401435196874, -0.01973038210853402, 0.4427720975992759, 0.6700536020333694,
          0.5467729172179228, -0.11021782021707041, -0.45124178335102444, -0.10284136096275245,
          0.6736938243988064, 0.14433484507916353,
        ],
      ),
    ).toBeLessThan(1e-12);
    expect(
      worst(reducer.explainedVariance, [1.596252219741879, 1.2216172783239247, 1.0247629426128988]),
    ).toBeLessThan(1e-13);
    expect(
      worst(
        reducer.transform(values, 2),
        [
          -0.5965732874323109, 0.6878180699659973, 0.4965387288099334, 0.30889807613970927,
          1.6680566621627493, -1.0668125386786742,
        ],
      ),
    ).toBeLessThan(1e-12);
  });
});

test('fewer rows than dimensions: 5 rows of 12 values, as scikit-learn reduces them', async () => {
  const values = randomRows(5, 12, 12);
  const reducer = await fitRows(values, 12, { ...plain, k: 6 });
  const variances = [
    1.4770498178634757, 1.0078377212200538, 0.7153059894368449, 0.22917266727139246,
  ];
  expect(worst(reducer.explainedVariance, [...variances, 0, 0])).toBeLessThan(1e-13);
  expect(
    worst(
      reducer.components.subarray(36, 48),
      [
        -0.256525093242198, -0.11968805836018302, -0.009154484843275969, 0.43453013300682525,
        -0.3363259255651951, 0.3969527183107176, -0.2962784850053684, -0.0319687209851731,
        0.5235389037433079, 0.024608807910781738, -0.3110787174126581, 0.003366002477678921,
      ],
    ),
  ).toBeLessThan(1e-12);
  expect(reducer.components.subarray(48)).toEqual(new Float64Array(24));
});

test('three points on a line by hand', async () => {
  // (0, 0), (3, 4), (6, 8): mean (3, 4), one direction (0.6, 0.8), variance 25.
  const values = Float32Array.of(0, 0, 3, 4, 6, 8);
  const reducer = await fitRows(values, 2, { k: 2, standardize: false, center: true });
  expect(worst(reducer.components, [0.6, 0.8, 0, 0])).toBeLessThan(1e-15);
  expect(worst(reducer.explainedVariance, [25, 0])).toBeLessThan(1e-14);
  expect(worst(reducer.explainedVarianceRatio, [1, 0])).toBeLessThan(1e-15);
  expect(reducer.totalVariance).toBe(25);
  expect(worst(reducer.transform(values, 3), [-5, 0, 0, 0, 5, 0])).toBeLessThan(1e-14);
});

test('without centring the vectors are projected as they are', async () => {
  const values = Float32Array.of(0, 0, 3, 4, 6, 8);
  const reducer = await fitRows(values, 2, { k: 1, standardize: false, center: false });
  expect(worst(reducer.transform(values, 3), [0, 5, 10])).toBeLessThan(1e-14);
  expect([...reducer.pcaMean]).toEqual([0, 0]);
});

test('the largest entry of a component is positive', async () => {
  const values = Float32Array.of(1, -2, -1, 2, 2, -4, -2, 4);
  const reducer = await fitRows(values, 2, { ...plain, k: 1 });
  expect(reducer.components[0]).toBeLessThan(0);
  expect(reducer.components[1]).toBeGreaterThan(0);
});

test('a constant column scales to zero and has no share', async () => {
  const values = randomRows(50, 4, 3).map((value, at) => (at % 4 === 2 ? 0.1 : value));
  const reducer = await fitRows(values, 4, scaled);
  expect(reducer.scalerStd[2]).toBe(0);
  expect(reducer.totalVariance).toBeCloseTo(3, 12);
  for (const at of [2, 6, 10]) expect(reducer.components[at]).toBeCloseTo(0, 15);
  const other = values.slice(0, 4);
  other[2] = 99;
  expect(reducer.transform(other, 1)).toEqual(reducer.transform(values, 1));
});

test('one row, no row and equal rows leave zero components', async () => {
  for (const values of [
    Float32Array.of(1, 2, 3),
    new Float32Array(0),
    Float32Array.of(1, 2, 3, 1, 2, 3),
  ]) {
    for (const options of [plain, scaled]) {
      const reducer = await fitRows(values, 3, options);
      expect(reducer.components).toEqual(new Float64Array(9));
      expect(reducer.explainedVarianceRatio).toEqual(new Float64Array(3));
      expect(reducer.transform(Float32Array.of(4, 5, 6), 1)).toEqual(new Float64Array(3));
    }
  }
});

test('k beyond the dimensions fills the table with zeros', async () => {
  const values = randomRows(30, 2, 4);
  const reducer = await fitRows(values, 2, { ...plain, k: 5 });
  const reduced = reducer.transform(values, 30);
  expect(reduced.length).toBe(150);
  expect(reduced.subarray(0, 5).map(Math.sign).map(Math.abs)).toEqual(
    Float64Array.of(1, 1, 0, 0, 0),
  );
});

test('standard deviations of 1e-2 over a mean of 1e5 are kept', async () => {
  const noise = randomRows(400, 2, 5);
  const values = noise.map((value) => 1e5 + Math.round(value * 4) / 64);
  const near = values.map((value) => value - 1e5);
  const [far, expected] = [await fitRows(values, 2, scaled), await fitRows(near, 2, scaled)];
  expect(worst(far.scalerStd, expected.scalerStd)).toBeLessThan(1e-15);
  expect(worst(far.transform(values, 9), expected.transform(near, 9))).toBeLessThan(1e-9);
});

test('a row reduces to the same bits alone and among others', async () => {
  const values = randomRows(70, 600, 6);
  const reducer = await fitRows(values, 600, scaled);
  const all = reducer.transform(values, 70);
  for (const row of [0, 1, 66, 69]) {
    const alone = reducer.transform(values.subarray(row * 600, (row + 1) * 600), 1);
    expect(alone).toEqual(all.subarray(row * 3, row * 3 + 3));
  }
});

test('a vector that is not finite names its row', async () => {
  const reducer = await fitRows(randomRows(9, 3, 7), 3, scaled);
  const bad = Float32Array.of(1, 2, 3, 4, Number.NaN, 6);
  expect(() => reducer.transform(bad, 2, 100)).toThrow(
    'Expected finite features for row 101 but found NaN at value 1',
  );
});

test('k must be a whole number of at least 1', () => {
  expect(() => new ReducerFitter(3, { ...plain, k: 0 })).toThrow(
    'Expected a whole number of at least 1 for k but found 0',
  );
});

test('a signal stops the fit with its reason', async () => {
  const blocks = blocksOf(randomRows(20, 3, 1), 3);
  const fitter = new ReducerFitter(3, plain);
  for await (const block of blocks.blocks()) await fitter.add(block);
  const reason = new Error('stop');
  await expect(fitter.finish(blocks, AbortSignal.abort(reason))).rejects.toBe(reason);
});

test('blocks of other rows are refused', async () => {
  const fitter = new ReducerFitter(3, plain);
  await fitter.add({ values: randomRows(4, 3, 1), n: 4 });
  await expect(fitter.finish(blocksOf(randomRows(5, 3, 1), 3))).rejects.toThrow(
    'Expected 4 rows of 3 values for the PCA but found 5 of 3',
  );
});

describe('block5_pool, 25,088 values', () => {
  const dims = 25_088;
  // Twelve directions of falling strength and some noise.
  const strengths = randomRows(40, 12, 8);
  const directions = randomRows(12, dims, 9);
  const values = randomRows(40, dims, 10).map((noise, at) => {
    const [row, j] = [Math.floor(at / dims), at % dims];
    let value = 5 + 0.1 * noise;
    for (let q = 0; q < 12; q++)
      value += 0.7 ** q * strengths[row * 12 + q]! * directions[q * dims + j]!;
    return value;
  });

  test('passes over the rows find what the Gram matrix of the rows has', async () => {
    const options = { k: 10, standardize: true, center: true };
    const reducer = await fitRows(values, dims, options);
    // The Gram matrix of the scaled rows, a problem in 40 dimensions, has the same values.
    const scores = reducer.transform(values, 40);
    const gram = new Float64Array(40 * 40);
    const rows = Float64Array.from(values, (value, at) => {
      return (value - reducer.scalerMean[at % dims]!) / reducer.scalerStd[at % dims]!;
    });
    for (let a = 0; a < 40; a++) {
      for (let b = 0; b <= a; b++) {
        let sum = 0;
        for (let j = 0; j < dims; j++) sum += rows[a * dims + j]! * rows[b * dims + j]!;
        gram[a * 40 + b] = gram[b * 40 + a] = sum / 39;
      }
    }
    for (let v = 0; v < 10; v++) {
      const score = Float64Array.from({ length: 40 }, (_, i) => scores[i * 10 + v]!);
      const variance = reducer.explainedVariance[v]!;
      const image = score.map((_, a) =>
        score.reduce((sum, x, b) => sum + gram[a * 40 + b]! * x, 0),
      );
      expect(
        worst(
          image,
          score.map((x) => x * variance),
        ),
      ).toBeLessThan(1e-9 * reducer.explainedVariance[0]!);
      expect(Math.hypot(...score) ** 2 / 39 / variance).toBeCloseTo(1, 12);
    }
    expect(reducer.totalVariance).toBeCloseTo(dims, 6);
    expect(reducer.residual).toBeLessThan(1e-12);
  });

  test('a pass that brings fewer rows is refused', async () => {
    const fitter = new ReducerFitter(dims, plain);
    await fitter.add({ values, n: 40 });
    const short = blocksOf(values.subarray(0, 30 * dims), dims);
    await expect(fitter.finish({ ...short, count: 40 })).rejects.toThrow(
      'Expected 40 rows for the PCA but found 30 on a pass',
    );
  });
});

describeReference('the Spark job', (dir) => {
  const arrays = readNpz(readFileSync(`${dir}/reference/seed-spark/pixels.npz`));
  const float64 = (key: string) => arrays.get(key)!.data as Float64Array;

  // It standardises first, so that projecting without centring (its quirk) changes nothing here.
  for (const center of [true, false]) {
    test(`1,000 pixel vectors reduce to its numbers, center ${center}`, async () => {
      const values = Float32Array.from(arrays.get('vectors_bgr')!.data as Uint8Array);
      const reducer = await fitRows(values, 300, { k: 10, standardize: true, center });
      expect(worst(reducer.scalerMean, float64('scaler_mean'))).toBeLessThan(1e-12);
      expect(worst(reducer.scalerStd, float64('scaler_std'))).toBeLessThan(1e-12);
      const ratios = float64('explained_variance');
      expect(worst(reducer.explainedVarianceRatio, ratios)).toBeLessThan(1e-14);
      const reduced = reducer.transform(values, 1000);
      const expected = float64('vectors_redux');
      for (let v = 0; v < 10; v++) {
        const column = (of: Float64Array) => of.filter((_, at) => at % 10 === v);
        const flipped = column(reduced).map((value) => -value);
        const difference = worst(column(reduced), column(expected));
        expect(Math.min(difference, worst(flipped, column(expected)))).toBeLessThan(1e-10);
      }
    });
  }
});
