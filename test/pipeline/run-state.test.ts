/** What a run finds in its own folders and must not trust: whole runs in this process, on the build. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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

const PIXELS = { mode: 'pixels', k: 2, report: false, workers: 1 } as const;

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
    extract(resolveOptions({ ...PIXELS, input, out, ...more }));
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

test.each(['.img2features/shards', '.img2features/update', '.img2features'])(
  'a link at %s is not followed, and what it leads to stays as it is',
  async (name) => {
    const { dir, out, run } = await folderOf(3);
    await run();
    const elsewhere = join(dir, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, '00000.json'), 'precious');
    rmSync(join(out, name), { recursive: true, force: true });
    symlinkSync(elsewhere, join(out, name));
    for (const how of [{ overwrite: true }, { update: true }]) {
      await expect(run(how)).rejects.toThrow(`at ${join(out, name)} but found a symbolic link`);
    }
    expect(readdirSync(elsewhere)).toEqual(['00000.json']);
  },
);

test('a journal that is a link is replaced, not written through', async () => {
  const { dir, out, run } = await folderOf(3);
  const victim = join(dir, 'victim');
  writeFileSync(victim, 'precious');
  mkdirSync(join(out, '.img2features'), { recursive: true });
  symlinkSync(victim, join(out, '.img2features', 'decoding-0.bin'));
  await run();
  expect(readFileSync(victim, 'utf8')).toBe('precious');
});

test('a folder of parts that is a link is refused before anything is removed', async () => {
  const { dir, out, run } = await folderOf(3);
  await run();
  renameSync(join(out, 'parquet'), join(dir, 'elsewhere'));
  symlinkSync(join(dir, 'elsewhere'), join(out, 'parquet'));
  await expect(run({ overwrite: true })).rejects.toThrow('but found a symbolic link');
  expect(readdirSync(join(dir, 'elsewhere'))).toEqual(['part-00000.parquet']);
});

test.each(['parquet/part-0-of-spark.snappy.parquet', 'json/notes.json'])(
  'a file of others, %s, is refused and stays, with --overwrite and without',
  async (name) => {
    const { out, run } = await folderOf(3);
    mkdirSync(join(out, name, '..'), { recursive: true });
    writeFileSync(join(out, name), 'precious');
    writeFileSync(join(out, name, '..', '_SUCCESS'), ''); // readers skip such names
    for (const overwrite of [false, true]) {
      await expect(run({ overwrite })).rejects.toThrow('which readers would take for one');
    }
    expect(readFileSync(join(out, name), 'utf8')).toBe('precious');
    rmSync(join(out, name));
    expect(await run()).toMatchObject({ extracted: 3 });
  },
);

test.each([
  ['equal to the input', 'images'],
  ['below it', 'images/deep/features'],
  ['below it through a link', 'link/features'],
])('an --out %s is refused, and nothing is made', async (_, name) => {
  const { dir, input, run } = await folderOf(3);
  symlinkSync(input, join(dir, 'link'));
  await expect(run({ out: join(dir, name) })).rejects.toThrow('Expected --out outside the input');
  expect(readdirSync(input)).toHaveLength(3);
  // A name that only begins alike is another folder.
  expect(await run({ out: join(dir, 'images-features') })).toMatchObject({ extracted: 3 });
});

test('a run that was begun below its input is resumed', async () => {
  const { input, out, run } = await folderOf(3);
  await run();
  const inside = join(input, 'features');
  renameSync(out, inside);
  expect(await run({ out: inside, update: true })).toMatchObject({ wasComplete: true });
  expect(existsSync(join(inside, '_SUCCESS'))).toBe(true);
});

test('an --out below an input in the same bucket is refused before the store is asked', async () => {
  const { run } = await folderOf(0);
  const stores = { input: 's3://bucket/data', out: 's3a://bucket/data/features' };
  await expect(run(stores)).rejects.toThrow('Expected --out outside the input s3://bucket/data');
});
