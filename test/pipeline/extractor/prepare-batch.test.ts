import { expect, test } from 'vitest';
import type { EngineInfo } from '../../../src/engine/engine.ts';
import type { RunEvent } from '../../../src/events.ts';
import { prepareBatch } from '../../../src/pipeline/extractor/prepare-batch.ts';
import type { Device } from '../../../src/runtime/choose-device.ts';

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
    'Batches of 32 images, larger ones gain less than 5 % (images/s by batch: 16: 100, 32: 200, 64: 200).',
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
