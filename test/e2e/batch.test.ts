import { readdirSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { fullGpu } from '../engine/full-gpu.ts';
import { writeTinyModel } from '../engine/tiny-model.ts';
import { NO_TENSORFLOW, skipIf } from '../skip-if.ts';
import { readRunJson } from './read-table.ts';
import { type CliResult, runCli, tableHashes, tempFolder } from './run-cli.ts';

const locate = new URL('../../dist/runtime/locate-runtime.js', import.meta.url).href;
const found = await (await import(locate)).locateRuntime();

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'in'), { seed: 3, imagesPerClass: 2, minSize: 12, maxSize: 30 });
});
afterAll(() => remove());
afterEach(() => {
  vi.unstubAllEnvs();
});

/** A network for images of 2×2 pixels, with engines that are quick to start. */
async function cnn(out: string, ...more: string[]): Promise<CliResult> {
  const { dir: model } = await writeTinyModel();
  await cp(model, join(dir, 'model'), { recursive: true });
  const given = ['in', '--mode', 'cnn', '--model', 'model', '--no-report', '--k', '0'];
  return runCli(dir, ...given, '--out', out, ...more);
}

test(
  'a device that runs out of memory: the run computes it in parts, says so, and its table is sound',
  skipIf(found.cpu === undefined, NO_TENSORFLOW),
  async () => {
    await cnn('whole', '--device', 'cpu', '--batch', '5');
    vi.stubEnv('NODE_OPTIONS', `--require ${fullGpu(dir, 2)}`);
    const run = await cnn('parts', '--device', 'cpu', '--batch', '5');
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(/Memory ran out in a batch of 5 images/);
    const images = (readRunJson(join(dir, 'parts')).counts as { extracted: number }).extracted;
    const { device } = readRunJson(join(dir, 'parts'));
    expect(device).toMatchObject({
      batch: 5,
      batchFrom: 'option',
      engines: [{ name: 'cpu', images }],
      outOfMemory: { shards: [{ shard: 0, halvedTo: 2 }] },
    });
    expect(JSON.stringify(device)).toMatch(/may differ in the last bits/);
    // So few and small numbers that the order of their sums changes nothing.
    expect(tableHashes(join(dir, 'parts'))).toEqual(tableHashes(join(dir, 'whole')));
    expect(readRunJson(join(dir, 'whole')).device).toMatchObject({ outOfMemory: null });
  },
);

test('auto keeps the batch that the run began with, and --update does', async () => {
  await cnn('run', '--device', 'wasm', '--batch', '3');
  expect((await cnn('run', '--device', 'wasm')).stdout).toMatch(/^Already complete/m);
  const ring = join(dir, 'in', 'ring');
  const [image] = readdirSync(ring);
  await cp(join(ring, image!), join(ring, `new-${image}`));
  expect((await cnn('run', '--device', 'wasm', '--update')).stderr).not.toMatch(/error/i);
  const run = readRunJson(join(dir, 'run'));
  expect(run.update).toMatchObject({ added: 1 });
  expect(run.device).toMatchObject({ batch: 3, batchFrom: 'run', outOfMemory: null });
  await cnn('run', '--device', 'wasm', '--overwrite');
  expect(readRunJson(join(dir, 'run')).device).toMatchObject({ batch: 4, batchFrom: 'device' });
});

test('another number than the run began with is refused by name', async () => {
  await cnn('other', '--device', 'wasm', '--batch', '3');
  const refused = await cnn('other', '--device', 'wasm', '--batch', '4');
  expect(refused.status).toBe(2);
  expect(refused.stderr).toMatch(/batch was 3 and is now 4/);
});

test('--gpus where no GPU is: an error, and nothing is written', async () => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', '');
  const refused = await cnn('gpus', '--gpus', 'all');
  expect(refused.status).toBe(2);
  expect(refused.stderr).toMatch(/Expected a GPU for --gpus all but found .+\./);
  expect(refused.stderr).not.toMatch(/at .*\.js:/);
});
