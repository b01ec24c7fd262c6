/** Jobs of a network, of a transform and on S3, and what their merged run can do later. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { solidPng } from '../dry-run/solid-png.ts';
import { writeTinyModel } from '../engine/tiny-model.ts';
import { runUntilStep } from '../faults/kill-runs.ts';
import { NO_STORE, openTestStore } from '../s3/store.ts';
import { skipIf } from '../skip-if.ts';
import { readRunJson } from './read-table.ts';
import { type CliResult, listFiles, runInProcess, tableHashes, tempFolder } from './run-cli.ts';

/** A shard of a network has 512 images: three shards. */
const IMAGES = 1100;

const store = await openTestStore('images', 'tables');
let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  for (const name of ['a', 'b']) mkdirSync(join(dir, 'dataset', name), { recursive: true });
  const labels = ['file,split,brand'];
  for (let i = 0; i < IMAGES; i++) {
    const name = `${'ab'[i % 2]}/${i}.png`;
    draw(`dataset/${name}`, i);
    labels.push(`${name},${i % 3 === 0 ? 'test' : 'train'},brand ${i % 5}`);
  }
  writeFileSync(join(dir, 'dataset/a/80.png'), 'no image');
  writeFileSync(join(dir, 'labels.csv'), `${labels.join('\n')}\n`);
});
afterAll(async () => {
  await remove?.();
  await store?.stop();
});

function draw(name: string, i: number): void {
  writeFileSync(join(dir, name), solidPng(2, 3, [i % 256, (7 * i) % 251, (31 * i) % 241]));
}

async function run(...args: string[]): Promise<CliResult> {
  const result = await runInProcess(dir, ...args);
  expect(result.status, result.stdout + result.stderr).toBeLessThan(2);
  return result;
}

/** @returns the outputs of so many jobs */
async function runJobs(of: number, out: string, ...args: string[]): Promise<string[]> {
  const outs = Array.from({ length: of }, (_, i) => `${out}-${i + 1}`);
  for (const [i, one] of outs.entries())
    await run(...args, '--shard', `${i + 1}/${of}`, '--out', one);
  return outs;
}

test('jobs of a network, with labels and a report: the bytes of one run, merged without an engine, a model or the images; then updated and transformed', {
  timeout: 120_000,
}, async () => {
  const { dir: folder } = await writeTinyModel();
  renameSync(folder, join(dir, 'model'));
  const network = ['dataset', '--mode', 'cnn', '--model', 'model', '--layer', 'conv,sum'];
  const labels = ['--labels', 'labels.csv', '--keep-columns', 'brand'];
  const more = '--k 2 --format parquet,csv --device cpu --batch 7'.split(' ');
  const args = [...network, ...labels, ...more];
  await run(...args, '--out', 'single');
  const outs = await runJobs(2, 'net', ...args);
  // Nothing but the outputs of the jobs is there.
  const cache = process.env.IMG2FEATURES_CACHE;
  process.env.IMG2FEATURES_CACHE = join(dir, 'empty-cache');
  for (const name of ['model', 'dataset', 'labels.csv'])
    renameSync(join(dir, name), join(dir, `gone-${name}`));
  const merged = await run('merge', ...outs, '--out', 'merged');
  for (const name of ['model', 'dataset', 'labels.csv'])
    renameSync(join(dir, `gone-${name}`), join(dir, name));
  if (cache === undefined) delete process.env.IMG2FEATURES_CACHE;
  else process.env.IMG2FEATURES_CACHE = cache;
  expect(merged.stderr).toContain('dataset cannot be opened here: the report has no pictures');
  const [one, joined] = ['single', 'merged'].map((out) => tableHashes(join(dir, out)));
  // Copies are confirmed by the bytes of the images.
  for (const hashes of [one!, joined!]) delete hashes['findings.jsonl'];
  expect(joined).toEqual(one);
  const facts = ['single', 'merged'].map((out) => {
    const { counts, splits, keptColumns, model, fingerprint, device, quality } = readRunJson(
      join(dir, out),
    ) as Record<string, unknown>;
    const { library, batch } = device as Record<string, unknown>;
    return { counts, splits, keptColumns, model, fingerprint, library, batch, quality };
  });
  expect(facts[1]).toEqual(facts[0]);

  draw('dataset/b/new.png', 5);
  rmSync(join(dir, 'dataset/b/3.png'));
  for (const out of ['single', 'merged']) {
    const { stdout } = await run(...args, '--out', out, '--update');
    expect(stdout).toMatch(/1 of the rows computed now|update: .* 1 added/);
  }
  expect(tableHashes(join(dir, 'merged'))).toEqual(tableHashes(join(dir, 'single')));

  const transform = 'transform dataset --with merged --device cpu --batch 7 --no-report'.split(' ');
  await run(...transform, '--out', 'transformed');
  const parts = await runJobs(3, 'part', ...transform);
  await run('merge', ...parts, '--out', 'parts');
  expect(tableHashes(join(dir, 'parts'))).toEqual(tableHashes(join(dir, 'transformed')));
  expect(readRunJson(join(dir, 'parts'))).toMatchObject({ command: 'transform' });
  // The reducer of the jobs, and no other.
  await run(
    'dataset/a',
    ...network.slice(1),
    '--k',
    '2',
    '--device',
    'cpu',
    '--out',
    'merged',
    '--overwrite',
    '--no-report',
  );
  const refused = await runInProcess(dir, 'merge', ...parts, '--out', 'refused');
  expect(refused.stderr).toContain(
    'Expected the reducer that the jobs used in merged but found another.',
  );
});

test('no PCA, the first images, the quirks of the notebook: as one run', async () => {
  const args = 'dataset --mode pixels --k 0 --limit 700 --seed-compat --no-report'.split(' ');
  await run(...args, '--out', 'first');
  await run(
    'merge',
    ...(await runJobs(2, 'few', ...args)),
    '--out',
    'first-merged',
    '--work-dir',
    'work',
  );
  expect(tableHashes(join(dir, 'first-merged'))).toEqual(tableHashes(join(dir, 'first')));
  expect(readRunJson(join(dir, 'first-merged'))).toMatchObject({
    counts: { skipped: { 'beyond --limit': IMAGES - 700 } },
  });
});

test('too many bad images stop a job', async () => {
  const args = ['dataset', '--mode', 'pixels', '--no-report', '--max-bad'];
  const stopped = await runInProcess(dir, ...args, '0', '--shard', '1/1', '--out', 'bad');
  expect(stopped).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('at most 0 bad images'),
  });
});

test('jobs that read from a store and write to it, merged there and to a disk', {
  timeout: 120_000,
  ...skipIf(store === undefined, NO_STORE),
}, async () => {
  process.env.IMG2FEATURES_CACHE = join(dir, 'cache');
  const reach = ['--s3-endpoint', store!.endpoint];
  for (const name of listFiles(join(dir, 'dataset')).slice(0, 30)) {
    await store!.put('images', `dataset/${name}`, readFileSync(join(dir, 'dataset', name)));
  }
  const args = ['s3://images/dataset', '--mode', 'pixels', '--k', '2', '--no-report', ...reach];
  await run(...args, '--out', 's3://tables/single');
  const outs = await runJobs(2, 's3://tables/out', ...args);
  expect((await store!.keys('tables', 'out-1/')).sort()).toEqual([
    'out-1/_SUCCESS',
    'out-1/job/00000.bin',
    'out-1/job/00000.json',
    'out-1/job/manifest.jsonl',
    'out-1/rejected.jsonl',
    'out-1/run.json',
  ]);
  const verified = await run('verify', outs[0]!, ...reach);
  expect(verified.stdout).toBe('s3://tables/out-1 is sound: job 1/2 of a run, for merge.\n');
  // On another machine, whose cache has no state of the jobs.
  process.env.IMG2FEATURES_CACHE = join(dir, 'other-cache');
  // A pod that is started again when its job has ended, and one that was killed while it wrote to the store.
  const again = await run(...args, '--shard', '1/2', '--out', outs[0]!);
  expect(again.stdout).toContain('Already complete: 30 rows in s3://tables/out-1');
  const other = await runInProcess(dir, ...args, '--shard', '2/2', '--out', outs[0]!);
  expect(other.stderr).toContain('Expected an output without a table for --out');
  for (const step of [3, 6, 9]) {
    const killed = [...args, '--shard', '1/2', '--out', `s3://tables/killed-${step}`];
    expect((await runUntilStep(dir, { step, moment: 'after' }, killed)).status).toBe(null);
    await run(...killed);
    expect(await hashesOf(`killed-${step}/`)).toEqual(await hashesOf('out-1/'));
  }
  await run('merge', ...outs, '--out', 's3://tables/merged', ...reach);
  await run('merge', ...outs, '--out', 'from-store', ...reach);
  const single = await hashesOf('single/');
  expect(await hashesOf('merged/')).toEqual(single);
  expect(tableHashes(join(dir, 'from-store'))).toEqual(single);
  await store!.put('tables', 'out-1/job/00000.bin', 'x'.repeat(2000));
  const refused = await runInProcess(dir, 'merge', ...outs, '--out', 'from-damaged', ...reach);
  expect(refused.stderr).toContain('Expected job/00000.bin of job 1/2 in s3://tables/out-1');
  expect(await store!.uploads('tables')).toEqual([]);
});

async function hashesOf(prefix: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const Key of await store!.keys('tables', prefix)) {
    const name = Key.slice(prefix.length);
    if (['run.json', '_SUCCESS'].includes(name)) continue;
    const { Body } = await store!.client.send(new GetObjectCommand({ Bucket: 'tables', Key }));
    found[name] = createHash('sha256')
      .update(await Body!.transformToByteArray())
      .digest('hex');
  }
  return found;
}
