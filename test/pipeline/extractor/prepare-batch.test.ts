import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { EngineInfo } from '../../../src/engine/engine.ts';
import { EnginePool, type PooledEngine } from '../../../src/engine/engine-pool.ts';
import { OutOfMemory } from '../../../src/engine/out-of-memory.ts';
import type { RunEvent } from '../../../src/events.ts';
import { addEngines, prepareBatch } from '../../../src/pipeline/extractor/prepare-batch.ts';
import type { Device } from '../../../src/runtime/choose-device.ts';
import { temporaryDir } from '../../engine/tiny-model.ts';

/** A stand-in: 100 images/s in batches of 16, 200 from 32 on. No GPU was at hand. */
function pool(device: Device, length = 1000) {
  const calls: string[] = [];
  return {
    calls,
    info: { device, outputs: [{ layer: 'a', pool: 'none', length }] } as unknown as EngineInfo,
    trial: async (images: number) => {
      calls.push(`trial ${images}`);
      return (1000 * images) / (images < 32 ? 100 : 200);
    },
    warmUp: async (images: number) => void calls.push(`warm up ${images}`),
    padTo: (shapes: readonly number[]) => void calls.push(`pad to ${shapes}`),
  };
}

const notes: string[] = [];
const hooks = {
  onEvent: (event: RunEvent) => notes.push('message' in event ? event.message : event.event),
};
const fresh = () => undefined;

beforeEach(() => {
  notes.length = 0;
  vi.stubEnv('IMG2FEATURES_CACHE', temporaryDir());
});
// The files that follow in this process look for the runtimes in the user's cache.
afterEach(() => void vi.unstubAllEnvs());

/** What measurements are kept by. */
function keyOf(deviceName: string, precision: 'fp32' | 'fp16' = 'fp32') {
  return {
    info: { deviceName, library: 'test', engine: 'graph' },
    precision,
    network: 'a'.repeat(64),
  } as const;
}

test('on CUDA a run that begins measures, then warms up for that shape', async () => {
  const cuda = pool('cuda');
  const prepared = await prepareBatch(cuda, 'auto', { ...hooks, recordedBatch: fresh });
  expect(prepared).toMatchObject({ batchSize: 32, batchFrom: 'trial' });
  expect(cuda.calls).toEqual([
    ...[16, 16, 16, 32, 32, 32, 64, 64, 64].map((images) => `trial ${images}`),
    'pad to 32',
    'warm up 32',
  ]);
  expect(notes).toEqual([
    'stage',
    'Batches of 32 images: larger ones gain less than 5 % (images/s by batch: 16: 100, 32: 200, 64: 200).',
  ]);
});

test('a resumed run takes the batch it began with, whatever is faster now', async () => {
  const cuda = pool('cuda');
  const recordedBatch = () => 128;
  const prepared = await prepareBatch(cuda, 'auto', { ...hooks, recordedBatch });
  expect(prepared).toMatchObject({ batchSize: 128, batchFrom: 'run', trial: undefined });
  expect(cuda.calls).toEqual(['pad to 128', 'warm up 128']);
});

test('a number given goes before all', async () => {
  const recordedBatch = () => 128;
  const prepared = await prepareBatch(pool('cuda'), 20, { ...hooks, recordedBatch });
  expect(prepared).toMatchObject({ batchSize: 20, batchFrom: 'option' });
});

test('where nothing keeps the number, nothing is measured', async () => {
  const cuda = pool('cuda');
  expect(await prepareBatch(cuda, 'auto', hooks)).toMatchObject({
    batchSize: 64,
    batchFrom: 'device',
  });
  expect(cuda.calls).toEqual(['pad to 64', 'warm up 64']);
});

test('a caller who waits for single images gets no filling', async () => {
  const cuda = pool('cuda');
  expect((await prepareBatch(cuda, 'auto', { ...hooks, isInteractive: true })).batchSize).toBe(64);
  expect(cuda.calls).toEqual([]);
});

test.each([
  ['cpu', 16],
  ['wasm', 4],
] as const)(
  'on %s the batch is %i, nothing is measured, filled up or warmed up',
  async (device, n) => {
    const it = pool(device);
    const prepared = await prepareBatch(it, 'auto', { ...hooks, recordedBatch: fresh });
    expect(prepared).toEqual({
      batchSize: n,
      batchFrom: 'device',
      trial: undefined,
      warmUpMs: 0,
    });
    expect(it.calls).toEqual([]);
  },
);

test('only batches that divide a shard are tried: 100 KB a row make shards of 320 rows', async () => {
  const cuda = pool('cuda', 25_088);
  cuda.trial = async (images) => {
    cuda.calls.push(`trial ${images}`);
    return 1;
  };
  const prepared = await prepareBatch(cuda, 'auto', { ...hooks, recordedBatch: fresh });
  expect(prepared.batchSize).toBe(64);
  expect(cuda.calls).not.toContain('trial 128');
  expect(cuda.calls.slice(-2)).toEqual(['pad to 64', 'warm up 64']);
});

test('a given batch that leaves a rest makes two shapes, one larger than a shard only one', async () => {
  const rest = pool('cuda', 25_088);
  await prepareBatch(rest, 256, hooks);
  expect(rest.calls).toEqual(['pad to 64,256', 'warm up 64', 'warm up 256']);
  const larger = pool('cuda', 25_088);
  await prepareBatch(larger, 1000, hooks);
  expect(larger.calls).toEqual(['pad to 320', 'warm up 320']);
});

test('rows so large that a shard is no whole batch of 16 make one batch a shard', async () => {
  const cuda = pool('cuda', 802_816);
  const prepared = await prepareBatch(cuda, 'auto', { ...hooks, recordedBatch: fresh });
  expect(prepared.batchSize).toBe(10);
});

test('a second run on the same card, driver, network and precision takes what was measured', async () => {
  const key = keyOf('NVIDIA L4, driver 550.54');
  const begins = { ...hooks, recordedBatch: fresh };
  await prepareBatch(pool('cuda'), 'auto', begins, key);
  const again = pool('cuda');
  const prepared = await prepareBatch(again, 'auto', begins, key);
  expect(prepared).toMatchObject({ batchSize: 32, batchFrom: 'cache' });
  expect(again.calls).toEqual(['pad to 32', 'warm up 32']);
  const today = new Date().toISOString().slice(0, 10);
  expect(notes.at(-1)).toBe(
    `Batches of 32 images, as measured on ${today}: larger ones gain less than 5 % (images/s by batch: 16: 100, 32: 200, 64: 200).`,
  );
  const others = [
    keyOf('NVIDIA L4, driver 570.1'),
    keyOf('NVIDIA L4, driver 550.54', 'fp16'),
    { ...key, network: 'b'.repeat(64) },
  ];
  for (const other of others) {
    const measured = await prepareBatch(pool('cuda'), 'auto', begins, other);
    expect(measured.batchFrom).toBe('trial');
  }
});

test('what memory has decided is measured again', async () => {
  const key = keyOf('NVIDIA L4, driver 550.54');
  for (let run = 0; run < 2; run++) {
    const full = pool('cuda');
    const trial = full.trial;
    full.trial = (images) => (images > 16 ? Promise.reject(new OutOfMemory('OOM')) : trial(images));
    const prepared = await prepareBatch(full, 'auto', { ...hooks, recordedBatch: fresh }, key);
    expect(prepared).toMatchObject({ batchSize: 16, batchFrom: 'trial' });
  }
});

test('batches of up to 1,024 are tried where shards are that large, and known to be', async () => {
  const tried = async (count?: () => Promise<number>) => {
    const cuda = pool('cuda');
    cuda.trial = async (images) => {
      cuda.calls.push(`trial ${images}`);
      return Math.sqrt(images);
    };
    const hook = { ...hooks, recordedBatch: fresh, ...(count && { count }) };
    return (await prepareBatch(cuda, 'auto', hook)).batchSize;
  };
  expect(await tried(async () => 1_000_000)).toBe(1024);
  expect(await tried(async () => 1000)).toBe(512);
  expect(await tried()).toBe(512);
});

/** A pool of stand-ins that make `rates[n - 1]` images/s together where there are n of them. */
function cards(rates: readonly number[]) {
  let open = 0;
  const closed: number[] = [];
  const engine = () => {
    const id = open++;
    const info = { device: 'cuda' } as EngineInfo;
    const close = async () => void closed.push(id);
    return { info, trial: async () => 1, busyMs: () => 0, close } as unknown as PooledEngine;
  };
  const first = new EnginePool([engine()], ['GPU 0 (NVIDIA L4)']);
  vi.spyOn(first, 'measure').mockImplementation(async () => rates[first.size - 1]!);
  const openMore = vi.fn(async () => new EnginePool([engine()], ['GPU 0 (NVIDIA L4)']));
  return { first, openMore, closed };
}

test.each([
  ['kept where it makes the two faster', [100, 130], 2],
  ['ended where it does not', [100, 104], 1],
] as const)('a second engine on a GPU is %s, measured once', async (_, rates, expected) => {
  const key = keyOf('NVIDIA L4, driver 550.54');
  const { first, openMore, closed } = cards(rates);
  await addEngines(first, openMore, 64, hooks, key);
  expect(first.size).toBe(expected);
  expect(closed).toHaveLength(2 - expected);
  expect(notes.at(-1)).toMatch(
    new RegExp(`on each GPU \\(images/s of one and of two: 100 and ${rates[1]}\\)`),
  );
  if (expected === 2) {
    const names = first.members().map(({ name }) => name);
    expect(names).toEqual(['GPU 0 (NVIDIA L4)', 'GPU 0 (NVIDIA L4), engine 2']);
  }
  const later = cards([1, 1]);
  await addEngines(later.first, later.openMore, 64, hooks, key);
  expect(later.first.size).toBe(expected);
  expect(later.first.measure).not.toHaveBeenCalled();
  expect(later.openMore).toHaveBeenCalledTimes(expected - 1);
});

test('a second engine that finds no memory is ended, and the run continues with one', async () => {
  const { first, openMore, closed } = cards([100, 130]);
  vi.spyOn(first, 'measure').mockImplementation(async () => {
    if (first.size > 1) throw new OutOfMemory('OOM when allocating tensor');
    return 100;
  });
  await addEngines(first, openMore, 64, hooks, keyOf('NVIDIA L4, driver 550.54'));
  expect(first.size).toBe(1);
  expect(closed).toEqual([1]);
  expect(notes.at(-1)).toBe(
    'One engine on each GPU: a second one did not run (OOM when allocating tensor).',
  );
});
