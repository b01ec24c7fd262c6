/** Four jobs, one of them killed and started again, then a merge that is killed: the bytes of one run. */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { solidPng } from '../dry-run/solid-png.ts';
import { runInProcess, tableHashes, tempFolder } from '../e2e/run-cli.ts';
import { momentOf, runUntilStep } from './kill-runs.ts';
import { isLong } from './long-form.ts';

/** Three shards of pixels and a little: a shard for each of four jobs. */
const IMAGES = 3 * 4096 + 12;

/** Kills are so many steps apart. */
const STEPS = isLong ? 1 : 3;

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  mkdirSync(join(dir, 'dataset/a'), { recursive: true });
  for (let i = 0; i < 40; i++) {
    const png = solidPng(4, 4, [6 * i, (91 * i) % 256, 255 - i]);
    await sharp(png)
      .jpeg()
      .toFile(join(dir, `${i}.jpg`));
  }
  writeFileSync(join(dir, '13.jpg'), 'no image');
  for (let i = 0; i < IMAGES; i++) {
    linkSync(join(dir, `${i % 40}.jpg`), join(dir, `dataset/a/${i}.jpg`));
  }
});
afterAll(() => remove());

test('a job and a merge that are killed at any rename, and started again', {
  timeout: 300_000,
}, async () => {
  const run = ['dataset', '--mode', 'pixels', '--k', '2', '--format', 'parquet,csv', '--no-report'];
  const job = (i: number, out = `out-${i}`) => [...run, '--shard', `${i}/4`, '--out', out];
  const outs = [1, 2, 3, 4].map((i) => `out-${i}`);
  const single = await runInProcess(dir, ...run, '--out', 'single');
  expect(single.status, single.stderr).toBe(1);
  const expected = tableHashes(join(dir, 'single'));
  for (const i of [1, 2, 4]) {
    const { status, stderr } = await runInProcess(dir, ...job(i));
    expect(status, stderr).toBe(i === 4 ? 0 : 1);
  }

  const kills = { job: 0, merge: 0 };
  for (let step = 1; ; step += STEPS) {
    rmSync(join(dir, 'out-3'), { recursive: true, force: true });
    const killed = await runUntilStep(dir, { step, moment: momentOf(step) }, job(3));
    if (killed.status !== null) break;
    kills.job++;
    const resumed = await runInProcess(dir, ...job(3));
    expect(resumed.status, resumed.stderr).toBe(1);
    expect(await runInProcess(dir, 'verify', 'out-3')).toMatchObject({ status: 0 });
  }
  const before = outs.map((out) => tableHashes(join(dir, out)));
  const merge = ['merge', ...outs, '--no-report', '--out', 'merged'];
  for (let step = 1; ; step += STEPS) {
    rmSync(join(dir, 'merged'), { recursive: true, force: true });
    const killed = await runUntilStep(dir, { step, moment: momentOf(step) }, merge);
    if (killed.status !== null) break;
    kills.merge++;
    const merged = await runInProcess(dir, ...merge);
    expect(merged.status, merged.stderr).toBe(1);
    expect(tableHashes(join(dir, 'merged'))).toEqual(expected);
  }
  expect(outs.map((out) => tableHashes(join(dir, out)))).toEqual(before);
  // List, identity, shard and record; then list, record, rejections, run.json, _SUCCESS and the end.
  expect(kills.job).toBeGreaterThanOrEqual(Math.floor(9 / STEPS));
  expect(kills.merge).toBeGreaterThanOrEqual(Math.floor(12 / STEPS));
  const record = JSON.parse(readFileSync(join(dir, 'merged/run.json'), 'utf8'));
  expect(record.counts).toMatchObject({
    discovered: IMAGES,
    rejected: Math.ceil((IMAGES - 13) / 40),
  });
});
