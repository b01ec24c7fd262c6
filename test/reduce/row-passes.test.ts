import { expect, test } from 'vitest';
import { createColumnKernel } from '../../src/reduce/kernels/column-kernel.ts';
import { plainBack, plainProject } from '../../src/reduce/kernels/plain-row-kernel.ts';
import { bufferOf, createSharedMemory, RowKernel } from '../../src/reduce/kernels/row-kernel.ts';
import { passOperator } from '../../src/reduce/passes/pass-operator.ts';
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

test('vectors and plain code give the same bits, odd numbers of rows included', () => {
  const [rows, quads] = [7, 5];
  const places = { shift: 4096, vectors: 8192, sums: 12288, rows: 16384 };
  const memories = [createSharedMemory(65536), createSharedMemory(65536)];
  const doubles = memories.map((memory) => new Float64Array(bufferOf(memory)));
  for (const memory of doubles) {
    memory.set(
      randomRows(1, 512, 1).map((value) => value * 3),
      places.shift / 8,
    );
    memory.set(randomRows(1, quads * 16, 2), places.vectors / 8);
  }
  for (const memory of memories) {
    new Float32Array(bufferOf(memory), places.rows).set(randomRows(rows + 1, quads * 4, 3));
  }
  new RowKernel(memories[0]!, 0).add(places, rows, quads, 1);
  // The same by the plain code, row pairs one after the other.
  const buffer = bufferOf(memories[1]!);
  const [project, back] = [plainProject(buffer), plainBack(buffer)];
  const step = quads * 16;
  project(places.rows, places.rows + step, 2 * step, places.vectors, places.shift, 0, 4, quads);
  doubles[1]!.fill(0, rows * 8, rows * 8 + 8);
  back(places.rows, places.rows + step, 2 * step, places.sums, places.shift, 0, 4, quads);
  const sums = doubles.map((memory) => memory.slice(places.sums / 8, places.sums / 8 + quads * 16));
  expect(sums[0]!.some((value) => value !== 0)).toBe(true);
  expect(sums[0]).toEqual(sums[1]);
});

test('columns are summed to the same bits from float32 and from float64 rows', () => {
  const [fast, plain] = [createColumnKernel(11), createColumnKernel(11)];
  const values = randomRows(9, 11, 1);
  for (let i = 0; i < 9; i++) {
    const row = values.subarray(i * 11, (i + 1) * 11);
    expect(fast.add(row, 1 / (i + 1))).toBe(true);
    expect(plain.add(Float64Array.from(row), 1 / (i + 1))).toBe(true);
  }
  expect([fast.means, fast.squares]).toEqual([plain.means, plain.squares]);
  expect(fast.add(new Float32Array(11).fill(Number.POSITIVE_INFINITY), 0.1)).toBe(false);
});
