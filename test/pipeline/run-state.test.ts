/** What a run finds in its own folders and must not trust: whole runs in this process, on the build. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
// Threads start from the build.
import * as built from '../../dist/index.js';
import type * as api from '../../src/index.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { solidPng } from '../dry-run/solid-png.ts';
import { readParquetRows } from '../e2e/read-table.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const { extract, resolveOptions } = built as unknown as typeof api;

/** A folder with images of one colour each, and a run over them. */
async function folderOf(count: number) {
  const dir = await temporaryFolder();
  const input = join(dir, 'images');
  const out = join(dir, 'features');
  mkdirSync(input);
  const draw = (i: number) =>
    writeFileSync(join(input, `${i}.png`), solidPng(4, 4, [i, 99, 7 * i]));
  for (let i = 0; i < count; i++) draw(i);
  const run = (more: Record<string, unknown> = {}) =>
    extract(resolveOptions({ input, out, mode: 'pixels', k: 2, report: false, ...more }));
  return { dir, input, out, draw, run };
}

test('an update of a run without a row computes what came, and fits the reducer on it', async () => {
  const { input, out, draw, run } = await folderOf(0);
  writeFileSync(join(input, 'broken.png'), 'not a picture');
  expect(await run()).toMatchObject({ extracted: 0, rejected: 1 });
  for (let i = 0; i < 4; i++) draw(i);
  const { extracted, update } = await run({ update: true });
  expect([extracted, update?.reducer]).toEqual([4, 'refitted']);
  expect(await verifyRun(out)).toEqual([]);
  const redux = readParquetRows(out).map((row) => row.vectors_redux as number[]);
  expect(redux.some(([first]) => first !== 0)).toBe(true);
});

test.each([
  ['parquet/part-00000.parquet', 'another'],
  ['rejected.jsonl', 'another'],
  ['reducer.npz', 'none'],
])(
  'neither a second run nor an update calls a table complete whose %s is not what it wrote',
  async (name, found) => {
    const { out, run } = await folderOf(3);
    await run();
    const path = join(out, name);
    if (found === 'none') rmSync(path);
    else writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('\n')]));
    const message = `Expected ${name} of ${out} with the SHA-256 in its run.json but found ${found}`;
    await expect(run()).rejects.toThrow(message);
    await expect(run({ update: true })).rejects.toThrow(message);
  },
);

test('an update refuses records without a sum (0.1.0) that reject another image than rejected.jsonl', async () => {
  const { input, out, run } = await folderOf(3);
  writeFileSync(join(input, '9.png'), 'not a picture'); // the last of the list
  await run();
  const record = join(out, '.img2features', 'shards', '00000.json');
  const { sum: _, ...old } = JSON.parse(readFileSync(record, 'utf8'));
  writeFileSync(record, JSON.stringify(old));
  expect(await run({ update: true })).toMatchObject({ wasComplete: true });
  expect(old.rejections[0].index).toBe(3);
  old.rejections[0].index = 2;
  writeFileSync(record, JSON.stringify(old));
  await expect(run({ update: true })).rejects.toThrow('to reject the images in rejected.jsonl of');
});
