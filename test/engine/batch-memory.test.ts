import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { BatchMemory } from '../../src/engine/batch-memory.ts';
import { openEnginePool } from '../../src/engine/engine-pool.ts';
import { openEngine } from '../../src/engine/open-engine.ts';
import { EngineError } from '../../src/errors.ts';
import { chooseDevice } from '../../src/runtime/choose-device.ts';
import { skipNow } from '../skip-if.ts';
import { rejection } from './caught.ts';
import { devices, found, memoryLacks } from './open-engines.ts';
import { writeTinyModel } from './tiny-model.ts';

const SPEC = { layers: [], precision: 'fp32', threads: 1 } as const;
const IMAGE_BYTES = 12;
/** Mapped, and as on a machine without the addon. */
const FORMS = [true, false];

function openMemory(canMap: boolean, context: Parameters<typeof skipNow>[0]): BatchMemory {
  if (canMap && memoryLacks !== undefined) skipNow(context, memoryLacks);
  const memory = BatchMemory.create(canMap);
  onTestFinished(() => memory.close());
  expect(memory.addonPath !== undefined).toBe(canMap);
  return memory;
}

const batches = [4, 4, 3, 4, 1].map((n, i) =>
  Uint8Array.from({ length: n * IMAGE_BYTES }, (_, j) => (j * (i + 3) + i) % 256),
);

test.for(devices.flatMap((device) => FORMS.map((canMap) => ({ device, canMap }))))(
  'engines give the same of batches in the memory and of those copied to it on $device (mapped: $canMap)',
  async ({ device, canMap }, context) => {
    const memory = openMemory(canMap, context);
    const folder = await writeTinyModel();
    const choice = chooseDevice(device, found);
    const one = await openEngine(SPEC, folder, choice);
    onTestFinished(() => one.close());
    const expected: Float32Array[][] = [];
    for (const bytes of batches) expected.push(await one.run(bytes, bytes.length / IMAGE_BYTES));

    const pool = await openEnginePool([SPEC, SPEC], folder, choice, { memory });
    onTestFinished(() => pool.close());
    const parts = new Set<ArrayBufferLike>();
    const runInPart = async (bytes: Uint8Array) => {
      const pixels = pool.batchBuffer(4).subarray(0, bytes.length);
      parts.add(pixels.buffer);
      pixels.set(bytes);
      const outputs = await pool.run(pixels, bytes.length / IMAGE_BYTES);
      const copies = outputs.map((values) => values.slice());
      pool.release(pixels);
      return copies;
    };
    for (let round = 0; round < 3; round++) {
      expect(await Promise.all(batches.map(runInPart))).toEqual(expected);
      const given = batches.map((bytes) => pool.run(bytes.slice(), bytes.length / IMAGE_BYTES));
      expect(await Promise.all(given)).toEqual(expected);
    }
    expect(parts.size).toBeLessThanOrEqual(2 * batches.length);
    pool.padTo([4]);
    expect(await Promise.all(batches.map(runInPart))).toEqual(expected);
  },
);

test.for(FORMS)('parts are given out once, and again (mapped: %s)', (canMap, context) => {
  const memory = openMemory(canMap, context);
  const [a, b] = [memory.take(5000), memory.take(10)];
  expect([a, b].map((part) => memory.offsetOf(part))).toEqual([0, 8192]);
  memory.give(a);
  const c = memory.take(8193);
  expect(memory.offsetOf(c)).toBe(12288);
  expect(memory.take(8192).buffer).toBe(a.buffer);
  expect(memory.has(b)).toBe(true);
  expect(memory.has(new Uint8Array(1))).toBe(false);
  memory.give(b);
  expect(() => memory.give(b)).toThrow('found that it was given back before');
});

test.for(FORMS)('another process finds what was sent (mapped: %s)', (canMap, context) => {
  const memory = openMemory(canMap, context);
  const [, part] = [memory.take(10), memory.take(10)];
  part.set([1, 2, 3, 4], 5);
  memory.send(part);
  const other = new BatchMemory(memory.fd, memory.addonPath);
  const seen = new Uint8Array(other.open(memory.offsetOf(part), part.buffer.byteLength), 5, 4);
  other.receive(seen);
  expect([...seen]).toEqual([1, 2, 3, 4]);
  other.send(seen.fill(9));
  memory.receive(part);
  expect([...part]).toEqual([0, 0, 0, 0, 0, 9, 9, 9, 9, 0]);
});

test.for(FORMS)(
  'the memory has no name that a killed run could leave (mapped: %s)',
  (canMap, context) => {
    const ours = (dir: string) =>
      readdirSync(dir).filter((name) => name.startsWith('img2features-'));
    const before = ['/dev/shm', tmpdir()].map(ours);
    openMemory(canMap, context).take(5000);
    expect(['/dev/shm', tmpdir()].map(ours)).toEqual(before);
  },
);

test('what is not there to be read is an error of the engine', async (context) => {
  const memory = openMemory(false, context);
  const part = memory.take(10);
  const error = await rejection(EngineError, (async () => memory.receive(part))());
  expect(error.message).toMatch(
    /^Expected memory for the batches on their way to the network but found: /,
  );
});
