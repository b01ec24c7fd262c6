import { readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { BatchMemory } from '../../src/engine/batch-memory.ts';
import { type EnginePool, openEnginePool } from '../../src/engine/engine-pool.ts';
import { chooseDevice } from '../../src/runtime/choose-device.ts';
import { skipIf } from '../skip-if.ts';
import { devices, found, memoryLacks } from './open-engines.ts';
import { writeTinyModel } from './tiny-model.ts';

const lacking = skipIf(memoryLacks !== undefined, `${memoryLacks}`);
const SPEC = { layers: [], precision: 'fp32', threads: 1 } as const;
const IMAGE_BYTES = 12;

async function openPool(device: (typeof devices)[number], engines: number): Promise<EnginePool> {
  const folder = await writeTinyModel();
  const specs = Array.from({ length: engines }, () => SPEC);
  const pool = await openEnginePool(specs, folder, chooseDevice(device, found));
  onTestFinished(() => pool.close());
  return pool;
}

const batches = [4, 4, 3, 4, 1].map((n, i) =>
  Uint8Array.from({ length: n * IMAGE_BYTES }, (_, j) => (j * (i + 3) + i) % 256),
);

/** All batches at once; values are copied before their memory is used again. */
function runAll(pool: EnginePool, bufferOf: (images: number) => Uint8Array) {
  return Promise.all(
    batches.map(async (bytes) => {
      const pixels = bufferOf(4).subarray(0, bytes.length);
      pixels.set(bytes);
      const outputs = await pool.run(pixels, bytes.length / IMAGE_BYTES);
      const copies = outputs.map((values) => values.slice());
      pool.release(pixels);
      return copies;
    }),
  );
}

test.each(devices.flatMap((device) => [1, 2].map((engines) => [device, engines] as const)))(
  'batches in shared memory give the bytes of the pipe on %s with %i engines',
  lacking,
  async (device, engines) => {
    const pool = await openPool(device, engines);
    const expected = await runAll(pool, (images) => new Uint8Array(images * IMAGE_BYTES));
    const plain = pool.batchBuffer(4);
    // Fewer parts than batches: the others go through the pipe.
    pool.shareMemory(3, 4);
    const shared = new Set<ArrayBufferLike>();
    const take = (images: number) => {
      const pixels = pool.batchBuffer(images);
      shared.add(pixels.buffer);
      return pixels;
    };
    for (let round = 0; round < 3; round++) expect(await runAll(pool, take)).toEqual(expected);
    expect(shared.has(plain.buffer)).toBe(false);
    expect(shared.size).toBe(1 + 3 * 2);
    pool.padTo([4]);
    expect(await runAll(pool, take)).toEqual(expected);
  },
);

test('parts are whole pages, are given out once, and a larger batch gets none', lacking, () => {
  const memory = BatchMemory.open()!;
  onTestFinished(() => memory.close());
  expect(memory.take(1)).toBeUndefined();
  memory.reserve(2, 5000);
  const [a, b] = [memory.take(5000)!, memory.take(10)!];
  expect(new Set([a.byteOffset, b.byteOffset])).toEqual(new Set([0, 8192]));
  expect(memory.take(10)).toBeUndefined();
  memory.give(a);
  expect(memory.take(8193)).toBeUndefined();
  expect(memory.take(8192)!.byteOffset).toBe(a.byteOffset);
  expect(memory.has(b)).toBe(true);
  expect(memory.has(new Uint8Array(1))).toBe(false);
  memory.give(b);
  expect(() => memory.give(b)).toThrow('found that it was given back before');
});

test('the memory has no name that a killed run could leave', lacking, () => {
  const before = readdirSync('/dev/shm');
  const memory = BatchMemory.open()!;
  onTestFinished(() => memory.close());
  memory.reserve(1, 5000);
  expect(readdirSync('/dev/shm')).toEqual(before);
});
