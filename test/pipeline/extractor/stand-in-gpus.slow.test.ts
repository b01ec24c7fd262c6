import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
// Threads and processes start from the build.
import * as built from '../../../dist/index.js';
import { writeDataset } from '../../../src/demo/draw-images.ts';
import type { RunEvent } from '../../../src/events.ts';
import type * as api from '../../../src/index.ts';
import { addonsDir } from '../../../src/runtime/addons.ts';
import { type FoundRuntimes, locateRuntime } from '../../../src/runtime/locate-runtime.ts';
import { tempFolder } from '../../e2e/run-cli.ts';
import { fullGpu } from '../../engine/full-gpu.ts';
import { temporaryDir, writeTinyModel } from '../../engine/tiny-model.ts';
import { NO_TENSORFLOW, skipIf } from '../../skip-if.ts';

const { extract, resolveOptions } = built as unknown as typeof api;

// Two "GPUs": TensorFlow on the CPU, which says that it is on one.
const here = vi.hoisted(() => ({ found: {} as FoundRuntimes }));
vi.mock('../../../dist/runtime/locate-runtime.js', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  locateRuntime: async () => here.found,
}));
const found = await locateRuntime();
const devices = ['Stand-in X', 'Stand-in X'];
const driver = { present: true, version: '550.1', devices, detail: 'two stand-ins' };
here.found = { ...found, gpu: found.cpu, driver };
const addons = addonsDir();

let dir: string;
beforeAll(async () => {
  const folder = await tempFolder();
  dir = folder.dir;
  await writeDataset(join(dir, 'in'), { seed: 3, imagesPerClass: 5, minSize: 12, maxSize: 30 });
  return folder.remove;
});
beforeEach(() => {
  const cache = temporaryDir();
  symlinkSync(addons, join(cache, 'addons'));
  vi.stubEnv('IMG2FEATURES_CACHE', cache);
});

async function run(out: string, more: object) {
  const { dir: model } = await writeTinyModel();
  const notes: string[] = [];
  const given = { mode: 'cnn', input: join(dir, 'in'), out: join(dir, out), model, k: 0 };
  const options = resolveOptions({ ...given, format: ['npy'], report: false, ...more });
  const onEvent = (event: RunEvent) => void (event.event === 'note' && notes.push(event.message));
  await extract(options, { onEvent });
  const read = (name: string) => readFileSync(join(dir, out, name));
  const { device } = JSON.parse(read('run.json').toString());
  return { notes, device, vectors: read('npy/cnn_vectors.npy').toString('hex') };
}

test('engines on one GPU and on several give the bytes of one; what was measured is told, and not measured again', {
  timeout: 60_000,
  ...skipIf(found.cpu === undefined, NO_TENSORFLOW),
}, async () => {
  const one = await run('cpu', { device: 'cpu', batch: 4 });
  vi.stubEnv('NODE_OPTIONS', `--require ${fullGpu(temporaryDir(), 2048, undefined, true)}`);
  const first = await run('first', { gpus: '0' });
  expect(first.device).toMatchObject({ device: 'cuda', batchFrom: 'trial' });
  expect(first.notes).toEqual([
    expect.stringMatching(/^fp32 is strict here/),
    expect.stringMatching(/^Batches of \d+ images: /),
    expect.stringMatching(/^(One engine|Two engines) on each GPU \(images\/s of one and of two: /),
  ]);
  const second = await run('second', { gpus: '0' });
  expect(second.device).toMatchObject({ batch: first.device.batch, batchFrom: 'cache' });
  expect(second.notes[1]).toMatch(/^Batches of \d+ images, as measured on 20\d\d-\d\d-\d\d: /);
  expect(second.device.engines).toHaveLength(first.device.engines.length);

  const several = await run('several', { gpus: '0,1', enginesPerGpu: 2, batch: 4 });
  expect(several.device.engines.map(({ name }: { name: string }) => name)).toEqual([
    ...['GPU 0 (Stand-in X)', 'GPU 0 (Stand-in X), engine 2'],
    ...['GPU 1 (Stand-in X)', 'GPU 1 (Stand-in X), engine 2'],
  ]);
  for (const { vectors } of [first, second, several]) expect(vectors).toBe(one.vectors);
});
