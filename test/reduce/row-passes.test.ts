import { expect, test } from 'vitest';
import { createColumnKernel } from '../../src/reduce/column-moments.ts';
import {
  bufferOf,
  createPanelKernel,
  createSharedMemory,
  nativeKernels,
} from '../../src/reduce/kernels.ts';
import { passOperator } from '../../src/reduce/passes/pass-operator.ts';
import { createRowKernel, placeOf } from '../../src/reduce/passes/row-kernel.ts';
import { PASS_LIMITS, type RowPasses as Passes } from '../../src/reduce/passes/row-passes.ts';
import { blocksOf, randomRows, worst } from './feature-rows.ts';

// Threads start from what is built.
const built = new URL('../../dist/reduce/passes/row-passes.js', import.meta.url).href;
const { RowPasses } = (await import(built)) as { RowPasses: typeof Passes };

test('two rows and a vector by hand', async () => {
  // Rows (1, 3), (5, 6) less (1, 2) = (0, 1), (4, 4); times (2, 1): 1 and 12; back: (48, 49).
  const passes = new RowPasses(blocksOf(Float32Array.of(1, 3, 5, 6), 2), Float64Array.of(1, 2), 1);
  expect([...(await passes.apply(Float64Array.of(2, 1)))]).toEqual([48, 49]);
  await passes.close();
});

test('threads and memory change no bit', async () => {
  const [n, dims, b] = [1003, 37, 5];
  const values = randomRows(n, dims, 1);
  const shift = Float64Array.from(randomRows(1, dims, 2));
  const results: Float64Array[] = [];
  for (const threadBytes of [0, Number.POSITIVE_INFINITY]) {
    const passes = new RowPasses(blocksOf(values, dims, 70), shift, b, {
      ...PASS_LIMITS,
      threadBytes,
    });
    for (let pass = 0; pass < 8; pass++) {
      const vectors = Float64Array.from(randomRows(b, dims, 3 + pass));
      results.push(await passes.apply(vectors));
    }
    await passes.close();
  }
  expect(results.slice(8)).toEqual(results.slice(0, 8));
});

test('rows that do not fit the memory are read again on each pass, to the same sums', async () => {
  const [n, dims] = [500, 30];
  const values = randomRows(n, dims, 1);
  const scaling = {
    shift: new Float64Array(dims).fill(0.1),
    scale: new Float64Array(dims).fill(2),
  };
  let reads = 0;
  const blocks = { ...blocksOf(values, dims, 77) };
  const counted = {
    ...blocks,
    blocks() {
      reads++;
      return blocks.blocks();
    },
  };
  const small = { ...PASS_LIMITS, residentBytes: 1000, windowBytes: 120 * dims * 4 };
  const [whole, cut] = [passOperator(blocks, scaling), passOperator(counted, scaling, small)];
  for (const seed of [2, 3]) {
    const block = Float64Array.from(randomRows(4, dims, seed));
    expect(worst(await cut.apply(block, 4), await whole.apply(block, 4))).toBeLessThan(1e-12);
  }
  expect(reads).toBe(2);
  await Promise.all([whole.close(), cut.close()]);
});

test('rows beyond those announced are refused', async () => {
  const blocks = { ...blocksOf(randomRows(20, 3, 1), 3), count: 15 };
  const passes = passOperator(blocks, { shift: new Float64Array(3), scale: new Float64Array(3) });
  await expect(passes.apply(new Float64Array(3), 1)).rejects.toThrow(
    'Expected 15 rows for the PCA but found 20 on a pass',
  );
});

const native = nativeKernels();
/** The addon, where this machine has it, and WebAssembly. */
const forms = native ? [native, null] : [null];

test.each([1, 2, 3, 4, 7, 33, 70])(
  'the addon and WebAssembly add up the products of %i rows to the same bits',
  (rows) => {
    const [quads, groups] = [5, 2];
    const dims = quads * 4;
    const places = { shift: 4096, vectors: 8192, sums: 16384, rows: 32768 };
    const shift = randomRows(1, dims, 1).map((value) => value * 3);
    const vectors = randomRows(groups, quads * 16, 2);
    const values = randomRows(rows + 1, dims, 3);
    const results = forms.map((form) => {
      const memory = createSharedMemory(65536);
      const doubles = new Float64Array(bufferOf(memory));
      doubles.set(shift, places.shift / 8);
      doubles.set(vectors, places.vectors / 8);
      new Float32Array(bufferOf(memory), places.rows).set(values);
      createRowKernel(memory, 0, form).add(places, rows, quads, groups);
      return doubles.slice(places.sums / 8, places.sums / 8 + groups * quads * 16);
    });
    for (const sums of results.slice(1)) expect(sums).toEqual(results[0]);
    // X^T (X q) as it is defined, for each vector and column.
    for (let v = 0; v < 4 * groups; v++) {
      const expected = new Float64Array(dims);
      for (let i = 0; i < rows; i++) {
        const row = Float64Array.from(shift, (less, j) => values[i * dims + j]! - less);
        const product = row.reduce((sum, x, j) => sum + x * vectors[placeOf(v, j, quads)]!, 0);
        row.forEach((x, j) => {
          expected[j]! += x * product;
        });
      }
      const sums = expected.map((_, j) => results[0]![placeOf(v, j, quads)]!);
      expect(worst(sums, expected)).toBeLessThan(1e-11);
    }
  },
);

test.each([1, 4, 11, 37])('%i columns are summed to the same bits by each form', (dims) => {
  const values = randomRows(21, dims, 1);
  const kernels = forms.map((form) => createColumnKernel(dims, form));
  for (const kernel of kernels) {
    kernel.origin.set(values.subarray(0, dims));
    expect(kernel.add(values.subarray(0, 9 * dims), 9, 0)).toBe(true);
    expect(kernel.add(values.subarray(9 * dims), 12, 9)).toBe(true);
    expect([kernel.means, kernel.squares]).toEqual([kernels[0]!.means, kernels[0]!.squares]);
  }
});

test('each form notices a value that is not finite, in any column', () => {
  for (const form of forms) {
    for (const bad of [0, 17, 22]) {
      const rows = randomRows(10, 23, 1);
      rows[9 * 23 + bad] = bad === 17 ? Number.NaN : Number.NEGATIVE_INFINITY;
      expect(createColumnKernel(23, form).add(rows, 10, 0)).toBe(false);
    }
  }
});

test('columns are laid out in panels by each form', () => {
  const [rows, dims] = [5, 12];
  const values = randomRows(rows, dims, 1);
  for (const form of forms) {
    const memory = createSharedMemory(65536);
    const floats = new Float32Array(bufferOf(memory));
    floats.set(values);
    const doubles = new Float64Array(bufferOf(memory));
    expect(createPanelKernel(memory, form).pack(floats, 4, dims, rows, 8, 200, 24)).toBe(true);
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < 8; j++) {
        const at = 200 + (j >> 2) * 24 + row * 4 + (j & 3);
        expect(doubles[at]).toBe(values[row * dims + 4 + j]);
      }
    }
  }
});

test('a panel is made ready for its products to the same bits by each form', () => {
  // Five groups of 3 rows of 4, after them four joining rows and room for whole numbers: 72 rows; origins and means follow.
  // Columns of all signs, and in each group one far above zero, one far below and one that is constant.
  const columns = Array.from({ length: 20 }, (_, column) => {
    const [far, size] = [[0, 1e6, -1e6, 7][column % 4]!, column % 4 === 3 ? 0 : 100];
    return randomRows(1, 3, column).map((value) => far + size * value);
  });
  const [origins, old] = [1, 2].map((seed) => Float64Array.from(randomRows(1, 20, seed)));
  const results = forms.map((form) => {
    const memory = createSharedMemory(65536);
    const doubles = new Float64Array(bufferOf(memory));
    columns.forEach((column, j) => {
      column.forEach((value, row) => {
        doubles[(j >> 2) * 288 + row * 4 + (j & 3)] = value;
      });
    });
    doubles.set(origins!, 1440);
    doubles.set(old!, 1460);
    createPanelKernel(memory, form).centre(0, 288, 5, 3, 3, 1440, 1460, 0.75, 0.3);
    return doubles.slice(0, 1480);
  });
  columns.forEach((column, j) => {
    const less = j % 4 === 0 ? 0 : column[0]!;
    const values = [...column].map((value) => value - less);
    const mean = (values[0]! + values[1]! + values[2]!) / 3;
    const delta = less - origins![j]! + mean - old![j]!;
    const at = (j >> 2) * 288 + (j & 3);
    for (const result of results) {
      const written = Array.from({ length: 7 }, (_, row) => result[at + 4 * row]);
      expect(written).toEqual([...values, -3 * mean, 0.75 * delta, mean, 0.75 * delta]);
      expect(result[1460 + j]).toBe(old![j]! + delta * 0.3);
    }
    // Products of float32 are exact in float64.
    expect(values.map(Math.fround)).toEqual(values);
  });
});

test('each form notices a value that is not finite in a panel, in any column', () => {
  for (const form of forms) {
    for (const bad of [0, 9, 10]) {
      const memory = createSharedMemory(65536);
      const floats = new Float32Array(bufferOf(memory));
      floats[2 * 12 + bad] = bad === 9 ? Number.NaN : Number.NEGATIVE_INFINITY;
      expect(createPanelKernel(memory, form).pack(floats, 0, 12, 3, 11, 200, 24)).toBe(false);
    }
  }
});

test.each([5, 130, 300])('the scatter matrix of %i columns gives what passes do', async (dims) => {
  const values = randomRows(700, dims, 1);
  const shift = Float64Array.from(randomRows(1, dims, 2));
  const vectors = Float64Array.from(randomRows(5, dims, 3));
  const results: Float64Array[] = [];
  const one = Number.POSITIVE_INFINITY;
  for (const [threadBytes, residentBytes] of [
    [one, 1e9],
    [0, 1e9],
    [one, 1000],
  ] as const) {
    const limits = { threadBytes, residentBytes, windowBytes: 300 * dims * 4 };
    const passes = new RowPasses(blocksOf(values, dims, 70), shift, 5, limits);
    const expected = await passes.apply(vectors);
    await passes.formMatrix();
    results.push(await passes.apply(vectors));
    expect(worst(results.at(-1)!, expected)).toBeLessThan(
      1e-13 * Math.max(...expected.map(Math.abs)),
    );
    await passes.close();
  }
  // Threads change no bit; windows are part of the sums' definition.
  expect(results[1]).toEqual(results[0]);
});
