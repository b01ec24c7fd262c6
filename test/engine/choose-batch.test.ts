import { expect, test } from 'vitest';
import { chooseBatch } from '../../src/engine/choose-batch.ts';
import { OutOfMemory } from '../../src/engine/out-of-memory.ts';

/** A device that makes `rates[n]` images a second in batches of n and holds no others. */
function device(rates: Record<number, number>, seen: number[] = []) {
  return async (images: number) => {
    seen.push(images);
    if (rates[images] === undefined) throw new OutOfMemory(`OOM for ${images}`);
    return (1000 * images) / rates[images];
  };
}

test('grows until a doubling gains less than 5 %', async () => {
  const chosen = await chooseBatch(device({ 16: 100, 32: 150, 64: 180, 128: 185, 256: 900 }));
  expect(chosen).toMatchObject({ batch: 64, stoppedBy: 'gain' });
  expect(chosen.trials.map(({ batch }) => batch)).toEqual([16, 32, 64, 128]);
  expect(chosen.trials[1]?.imagesPerSecond).toBeCloseTo(150);
});

test('stops where memory ends', async () => {
  const chosen = await chooseBatch(device({ 16: 100, 32: 200 }));
  expect(chosen).toMatchObject({ batch: 32, stoppedBy: 'memory' });
});

test('takes the largest where it still gains', async () => {
  const rates = { 16: 1, 32: 2, 64: 4, 128: 8, 256: 16, 512: 32, 1024: 64 };
  const chosen = await chooseBatch(device(rates));
  expect(chosen).toMatchObject({ batch: 1024, stoppedBy: 'largest' });
});

test('goes below 16 where memory does not hold that', async () => {
  const chosen = await chooseBatch(device({ 4: 10, 2: 8 }));
  expect(chosen).toMatchObject({ batch: 4, trials: [{ batch: 4 }] });
});

test('no memory for one image is a failure', async () => {
  await expect(chooseBatch(device({}))).rejects.toThrow('OOM for 1');
});

test('another failure is not taken for the end of memory', async () => {
  const trial = async (images: number) => {
    if (images > 16) throw new Error('lost');
    return 1;
  };
  await expect(chooseBatch(trial)).rejects.toThrow('lost');
});

test('the first run of each shape is not counted: it chooses kernels', async () => {
  const cold = new Set<number>();
  const trial = async (images: number) => {
    const ms = cold.has(images) ? images / 4 : 1e6;
    cold.add(images);
    return ms;
  };
  const { trials } = await chooseBatch(trial, [16, 32]);
  expect(trials.map(({ imagesPerSecond }) => imagesPerSecond)).toEqual([4000, 4000]);
});
