import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { writeZip } from '../convert/write-zip.ts';
import { listFiles, runInProcess, tableHashes, tempFolder } from '../e2e/run-cli.ts';
import { TAR_END, writeTar } from '../source/archive/write-tar.ts';
import { parquetImages } from '../source/parquet/parquet-images.ts';
import { runUntilStep } from './kill-runs.ts';

/** More than a shard of pixels has. */
const IMAGES = 4096 + 50;
const PIXELS = ['--mode', 'pixels', '--k', '3', '--no-report'];

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'drawn'), { seed: 6, imagesPerClass: 6, minSize: 12, maxSize: 20 });
  const drawn = listFiles(join(dir, 'drawn')).map((name) => ({
    name,
    content: readFileSync(join(dir, 'drawn', name)),
  }));
  const members = Array.from({ length: IMAGES }, (_, i) => {
    const { name, content } = drawn[i % drawn.length];
    return { name: `${String(i).padStart(4, '0')}/${name}`, content };
  });
  const half = members.length >> 1;
  const put = (name: string, bytes: Uint8Array) => writeFileSync(join(dir, name), bytes);
  put('all.tar', Buffer.concat([writeTar(members), TAR_END]));
  put('all.zip', writeZip(members.map((one, i) => ({ ...one, isPacked: i % 2 === 0 }))));
  // WebDataset: a sample is an image and the file of its class.
  const samples = members.flatMap(({ name, content }, i) => [
    { name: name.replaceAll('/', '_'), content },
    { name: name.replaceAll('/', '_').replace(/\.\w+$/, '.cls'), content: Buffer.from(`${i % 7}`) },
  ]);
  put('shard-0.tar', Buffer.concat([writeTar(samples.slice(0, 2 * half)), TAR_END]));
  put('shard-1.tar', Buffer.concat([writeTar(samples.slice(2 * half)), TAR_END]));
  const rows = members.map(({ content }, i) => ({ bytes: content, label: i % 7 }));
  put('train-0.parquet', parquetImages(rows.slice(0, half), { groupRows: 100 }));
  put('train-1.parquet', parquetImages(rows.slice(half), { groupRows: 1000 }));
  // Few, for splits; the third table comes later.
  for (const i of [0, 1, 2]) {
    const some = rows.slice(12 * i, 12 * i + 12);
    put(`${i < 2 ? '' : 'later-'}few-${i}.parquet`, parquetImages(some, { groupRows: 5 }));
  }
}, 120_000);
afterAll(() => remove());

/** Runs to the end, and tells the steps on the way. */
async function stepsOf(args: string[], out: string): Promise<string[]> {
  const stepsTo = join(dir, `${out}.steps`);
  const at = { step: 0, moment: 'after', stepsTo } as const;
  const { status, stderr } = await runUntilStep(dir, at, [...args, '--out', out]);
  expect(status, stderr).toBe(0);
  return readFileSync(stepsTo, 'utf8').trimEnd().split('\n');
}

/** Kills a run at a step, and another one brings it to its end, with the bytes that `calm` has. */
async function expectRecovery(args: string[], out: string, step: number, calm: string) {
  const killed = await runUntilStep(dir, { step, moment: 'after' }, [...args, '--out', out]);
  expect(killed.status, killed.stderr).toBe(null);
  const { status, stderr } = await runInProcess(dir, ...args, '--out', out);
  expect(status, stderr).toBe(0);
  expect(await verifyRun(join(dir, out))).toEqual([]);
  expect(tableHashes(join(dir, out))).toEqual(tableHashes(join(dir, calm)));
}

const INPUTS = {
  tar: 'all.tar',
  zip: 'all.zip',
  WebDataset: 'shard-{0..1}.tar',
  Parquet: 'train-*.parquet',
};

describe.each(Object.entries(INPUTS))('%s', (kind, input) => {
  test('killed after its first shard, it resumes to the same bytes', {
    timeout: 240_000,
  }, async () => {
    const args = [input, ...PIXELS];
    const steps = await stepsOf(args, `${kind}-calm`);
    const first = steps.indexOf('rename 00000.json') + 1;
    expect(first).toBeGreaterThan(0);
    await expectRecovery(args, `${kind}-killed`, first, `${kind}-calm`);
  });
});

test('a run with a split, and its update by a further file, resume where the splits are written and the table is not', {
  timeout: 240_000,
}, async () => {
  const args = ['few-*.parquet', ...PIXELS, '--split', '50/50'];
  const isSplit = (name: string) => name.includes('split.bin');
  const first = (await stepsOf(args, 'split-calm')).findIndex(isSplit) + 1;
  expect(first).toBeGreaterThan(0);
  await expectRecovery(args, 'split', first, 'split-calm');

  writeFileSync(join(dir, 'few-2.parquet'), readFileSync(join(dir, 'later-few-2.parquet')));
  const update = [...args, '--update'];
  const second = (await stepsOf(update, 'split-calm')).findIndex(isSplit) + 1;
  expect(second).toBeGreaterThan(0);
  await expectRecovery(update, 'split', second, 'split-calm');
  rmSync(join(dir, 'few-2.parquet'));
});
