import { expect, test } from 'vitest';
import { isCheaperByMatrix, passOperator } from '../../src/reduce/passes/pass-operator.ts';
import { PASS_LIMITS } from '../../src/reduce/passes/row-passes.ts';
import { blocksOf, randomRows, worst } from './feature-rows.ts';

test('the matrix of 1,000 columns costs what 31 passes with four vectors do', () => {
  // (1000 / 2) / (2 * 4 + 8) = 31.25, and a product with the matrix 1 / 40 of a pass.
  const size = { rows: 20_000, dims: 1000, isResident: true };
  expect(isCheaperByMatrix(size, 4, 5, 31)).toBe(false);
  expect(isCheaperByMatrix(size, 4, 5, 33)).toBe(true);
  // Rows that have to be read again for each pass: (500 + 40) / (2 * 4 + 8 + 40) = 9.6.
  expect(isCheaperByMatrix({ ...size, isResident: false }, 4, 5, 10)).toBe(true);
});

test('a forecast counts after five passes, or an eighth of what the matrix costs', () => {
  const never = Number.POSITIVE_INFINITY;
  expect(isCheaperByMatrix({ rows: 20_000, dims: 1000, isResident: true }, 4, 4, never)).toBe(
    false,
  );
  expect(isCheaperByMatrix({ rows: 20_000, dims: 1000, isResident: true }, 4, 5, never)).toBe(true);
  // (4096 / 2) / 16 = 128 passes.
  expect(isCheaperByMatrix({ rows: 20_000, dims: 4096, isResident: true }, 4, 15, never)).toBe(
    false,
  );
  expect(isCheaperByMatrix({ rows: 20_000, dims: 4096, isResident: true }, 4, 16, never)).toBe(
    true,
  );
});

test('few rows: a pass costs less than a product with the matrix', () => {
  const size = { rows: 100, dims: 1000, isResident: true };
  expect(isCheaperByMatrix(size, 4, 100, Number.POSITIVE_INFINITY)).toBe(false);
});

test('the operator reads the rows once more, then no more, and is the same operator', async () => {
  const [n, dims] = [400, 50];
  const rows = blocksOf(randomRows(n, dims, 1), dims, 77);
  let reads = 0;
  const counted = {
    ...rows,
    blocks() {
      reads++;
      return rows.blocks();
    },
  };
  const scaling = {
    shift: new Float64Array(dims).fill(0.1),
    scale: new Float64Array(dims).fill(2),
  };
  const limits = { ...PASS_LIMITS, residentBytes: 1000, windowBytes: 120 * dims * 4 };
  const operator = passOperator(counted, scaling, limits);
  const block = Float64Array.from(randomRows(4, dims, 2));
  const first = await operator.apply(block, 4);
  for (let pass = 1; pass < 5; pass++) await operator.apply(block, 4);
  expect([reads, operator.isCostly]).toEqual([5, true]);
  await operator.foresee!(Number.POSITIVE_INFINITY);
  expect([reads, operator.isCostly]).toEqual([6, false]);
  expect(worst(await operator.apply(block, 4), first)).toBeLessThan(1e-13);
  expect(reads).toBe(6);
  await operator.close();
});

test('rows too wide for a matrix are fitted by passes', async () => {
  const dims = 4097;
  const scaling = { shift: new Float64Array(dims), scale: new Float64Array(dims).fill(1) };
  const operator = passOperator(blocksOf(randomRows(3, dims, 1), dims), scaling);
  for (let pass = 0; pass < 200; pass++) await operator.apply(new Float64Array(dims), 1);
  await operator.foresee!(Number.POSITIVE_INFINITY);
  expect(operator.isCostly).toBe(true);
  await operator.close();
});
