import { expect, test, vi } from 'vitest';
import { createKernel, nativeKernels } from '../../src/reduce/kernels.ts';
import { randomRows } from './feature-rows.ts';

const native = nativeKernels();
/** The addon, where this machine has it, and WebAssembly. */
const forms = native ? [native, null] : [null];

test('each form adds outer products worked out by hand', () => {
  for (const form of forms) {
    // A = two rows of 4 at 0, B = two groups of two rows of 4 at 8, C = [4, 8] at 24, once 100 before.
    const { memory, multiply } = createKernel(60, form);
    memory.set([1, 2, 3, 4, 0, 0, 0, 1]);
    memory.set([1, 10, 100, 1000, 5, 6, 7, 8, 2, 0, 0, 0, 0, 0, 0, 9], 8);
    memory[24] = 100;
    multiply(0, 4, 8, 4, 8, 2, 2, 24, 8);
    expect([...memory.subarray(24, 56)]).toEqual([
      ...[101, 10, 100, 1000, 2, 0, 0, 0],
      ...[2, 20, 200, 2000, 4, 0, 0, 0],
      ...[3, 30, 300, 3000, 6, 0, 0, 0],
      ...[9, 46, 407, 4008, 8, 0, 0, 9],
    ]);
  }
});

test('each form gives the same bits', () => {
  const values = Float64Array.from(randomRows(1, 5000, 1), (value, i) => value * 10 ** (i % 7));
  const results = forms.map((form) => {
    const { memory, multiply, multiplyBlock } = createKernel(5000, form);
    memory.set(values);
    for (const b of [0, 400]) multiplyBlock(0, b, 40, 3, 5, 9, 3000, 31);
    for (const groups of [6, 5, 1]) {
      for (const depth of [1, 2, 57]) multiply(3, 12, 801, 4, 240, groups, depth, 4000, 31);
    }
    return memory.slice(0, 5000);
  });
  for (const result of results) expect(result).toEqual(results[0]);
});

test('each form gives the same bits of products of float32 values, also where it fuses them', () => {
  // Panels of 13 groups of 30 rows at 0 and at 2000, sums at 4000.
  const values = randomRows(1, 4000, 3).map((value, i) => value * 10 ** (i % 9));
  const results = forms.flatMap((form) =>
    [true, false].map((isExact) => {
      const { memory, multiplyBlock } = createKernel(7000, form);
      memory.set(values);
      for (const [b, tall, wide] of [
        [0, 13, 13],
        [2000, 13, 13],
        [0, 1, 1],
        [2000, 2, 3],
        [2000, 3, 2],
        [2000, 6, 9],
      ] as const) {
        multiplyBlock(0, b, 120, tall, wide, 30, 4000, 52, isExact);
        multiplyBlock(0, b, 120, tall, wide, 1, 4000, 52, isExact);
      }
      return memory.slice(0, 7000);
    }),
  );
  for (const result of results) expect(result).toEqual(results[0]);
});

test('without the addon and without memory for WebAssembly the error says what to do', () => {
  const memory = vi.spyOn(WebAssembly, 'Memory').mockImplementation(() => {
    throw new RangeError('could not allocate memory');
  });
  try {
    expect(() => createKernel(24, null)).toThrow(
      expect.objectContaining({
        tag: 'runtime',
        message: expect.stringContaining('Expected memory for WebAssembly'),
        fix: expect.stringContaining('ulimit -v'),
      }),
    );
  } finally {
    memory.mockRestore();
  }
});
