/** Rows of several views: their bytes do not depend on workers, batches or kills. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { readJsonRows, readRunJson } from '../e2e/read-table.ts';
import { runCli, runInProcess, tableHashes, tempFolder } from '../e2e/run-cli.ts';
import { runUntilStep } from './kill-runs.ts';

const VIEWS = ['--views', '3', '--augment', 'crop,flip,color', '--seed', '2', '--k', '3'];

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const small = { minSize: 20, maxSize: 60, withBroken: true };
  await writeDataset(join(dir, 'many'), { seed: 3, imagesPerClass: 500, ...small });
  await writeDataset(join(dir, 'few'), { seed: 3, imagesPerClass: 2, ...small });
  const init = ['model', 'init', 'vgg16', '--seed', '1', '--width', '0.125'];
  expect((await runInProcess(dir, ...init, '--out', 'vgg16')).status).toBe(0);
});
afterAll(() => remove());

test('pixels: equal bytes with four workers, after kills, and of merged jobs', {
  timeout: 240_000,
}, async () => {
  const run = (out: string) => ['many', '--mode', 'pixels', ...VIEWS, '--out', out];
  const { status, stderr } = await runCli(dir, ...run('calm'), '--workers', '1');
  expect(status, stderr).toBe(1);
  expect(await verifyRun(join(dir, 'calm'))).toEqual([]);
  // Shards of 1,344 images, so that a kill meets whole ones.
  const { counts } = readRunJson(join(dir, 'calm'));
  expect(counts.rows).toBe(3 * counts.extracted);
  expect(counts.extracted).toBeGreaterThan(1344);
  const calm = tableHashes(join(dir, 'calm'));
  for (const step of [4, 9, 14]) {
    const out = `killed-${step}`;
    const killed = await runUntilStep(dir, { step, moment: 'after' }, [
      ...run(out),
      '--workers',
      '4',
    ]);
    expect(killed.status).toBe(null);
    const resumed = await runInProcess(dir, ...run(out), '--workers', '2');
    expect(resumed.status, resumed.stderr).toBe(1);
    expect(tableHashes(join(dir, out)), `killed at step ${step}`).toEqual(calm);
  }
  for (const job of ['1/2', '2/2']) {
    await runInProcess(dir, ...run(`job-${job[0]}`), '--shard', job);
  }
  const merged = await runInProcess(dir, 'merge', 'job-1', 'job-2', '--out', 'merged');
  expect(merged.status, merged.stderr).toBe(1);
  expect(tableHashes(join(dir, 'merged'))).toEqual(calm);
});

test('a network: equal bytes with four workers and after a kill; a row is that of its own view', {
  timeout: 240_000,
}, async () => {
  const network = ['--mode', 'cnn', '--model', 'vgg16', '--layer', 'block5_pool:avg'];
  const more = [...network, '--device', 'wasm', '--batch', '5', '--format', 'json,parquet'];
  const run = (out: string) => ['few', ...more, ...VIEWS, '--out', out];
  const { status, stderr } = await runCli(dir, ...run('cnn'), '--workers', '1');
  expect(status, stderr).toBe(1);
  expect(await verifyRun(join(dir, 'cnn'))).toEqual([]);
  const at = { step: 4, moment: 'after' } as const;
  const killed = await runUntilStep(dir, at, [...run('cnn-killed'), '--workers', '4']);
  expect(killed.status).toBe(null);
  const resumed = await runInProcess(dir, ...run('cnn-killed'), '--workers', '4');
  expect(resumed.status, resumed.stderr).toBe(1);
  expect(tableHashes(join(dir, 'cnn-killed'))).toEqual(tableHashes(join(dir, 'cnn')));

  // Of one image alone the same rows come out, up to the last bits that a batch of another shape may change.
  const rows = readJsonRows(join(dir, 'cnn'));
  const [image] = rows.slice(3).map(({ origin }) => String(origin));
  const one = await runInProcess(dir, image!, ...more, ...VIEWS, '--out', 'alone');
  expect(one.status, one.stderr).toBe(0);
  const alone = readJsonRows(join(dir, 'alone'));
  expect(alone.map(({ origin, view }) => [origin, view])).toEqual([0, 1, 2].map((v) => [image, v]));
  for (const [view, { cnn_vectors }] of alone.entries()) {
    const [found, expected] = [cnn_vectors, rows[3 + view]!.cnn_vectors] as number[][];
    const largest = Math.max(...expected!.map(Math.abs));
    expect(largest).toBeGreaterThan(0);
    found!.forEach((value, i) => {
      expect(Math.abs(value - expected![i]!)).toBeLessThan(1e-4 * largest);
    });
  }
});
