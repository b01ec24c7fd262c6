import { expect, test, vi } from 'vitest';
import { createNativeKernel } from '../../src/reduce/kernels/create-kernel.ts';
import { nativeKernels } from '../../src/reduce/kernels/native-kernels.ts';
import { createPlainKernel } from '../../src/reduce/kernels/plain-kernel.ts';
import { createSharedMemory } from '../../src/reduce/kernels/shared-memory.ts';
import { createSharedSimdKernel, createSimdKernel } from '../../src/reduce/kernels/simd-kernel.ts';
import { randomRows } from './feature-rows.ts';

for (const [name, create] of [
  ['plain', (doubles: number) => createPlainKernel(new Float64Array(doubles))],
  ['SIMD', createSimdKernel],
] as const) {
  test(`the ${name} kernel adds outer products worked out by hand`, () => {
    // A = two rows of 4 at 0, B = two groups of two rows of 4 at 8, C = [4, 8] at 24, once 100 before.
    const { memory, multiply } = create(60);
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
  });
}

test('all kernels give the same bits', () => {
  const forms = [
    createPlainKernel(new Float64Array(5000)),
    createSimdKernel(5000),
    createSharedSimdKernel(createSharedMemory(5000 * 8)),
  ];
  const native = nativeKernels();
  if (native) forms.push(createNativeKernel(new Float64Array(5000), native));
  const values = Float64Array.from(randomRows(1, 5000, 1), (value, i) => value * 10 ** (i % 7));
  const results = forms.map(({ memory, multiply }) => {
    memory.set(values);
    for (const groups of [6, 5, 1]) {
      for (const depth of [1, 2, 57]) multiply(3, 12, 801, 4, 240, groups, depth, 4000, 31);
    }
    return memory.slice(0, 5000);
  });
  for (const result of results) expect(result).toEqual(results[0]);
});

test('the plain kernel takes over where neither the addon nor the memory of the SIMD one is to be had', async () => {
  vi.stubEnv('IMG2FEATURES_CACHE', '/nowhere');
  vi.resetModules();
  const { createKernel } = await import('../../src/reduce/kernels/create-kernel.ts');
  const { whyNoKernels } = await import('../../src/reduce/kernels/native-kernels.ts');
  expect(whyNoKernels()).not.toBe(undefined);
  const memory = vi.spyOn(WebAssembly, 'Memory').mockImplementation(() => {
    throw new RangeError('could not allocate memory');
  });
  const kernel = createKernel(24);
  memory.mockRestore();
  vi.unstubAllEnvs();
  kernel.memory.set([1, 2, 3, 4, 5, 6, 7, 8]);
  kernel.multiply(0, 4, 4, 4, 4, 1, 1, 8, 4);
  expect([...kernel.memory.subarray(8)]).toEqual(
    [1, 2, 3, 4].flatMap((a) => [5, 6, 7, 8].map((b) => a * b)),
  );
});
