/** Rows of several views of an image: whole runs in this process, on the build. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
// Threads start from the build.
import * as built from '../../dist/index.js';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { decodeImage } from '../../src/image/formats/decode.ts';
import { Resizer } from '../../src/image/resize/resize.ts';
import { ViewMaker } from '../../src/image/views/make-views.ts';
import type * as api from '../../src/index.ts';
import { parseAugmentation } from '../../src/options/augmentation.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { readJsonRows, readRunJson } from '../e2e/read-table.ts';
import { listFiles, tableHashes, tempFolder } from '../e2e/run-cli.ts';
import { TAR_END, writeTar } from '../source/archive/write-tar.ts';
import { parquetImages } from '../source/parquet/parquet-images.ts';

const { extract, extractBatches, resolveOptions } = built as unknown as typeof api;

const VIEWS = { views: 3, augment: 'crop,flip,color', seed: 5 };

let dir: string;
let remove: () => Promise<void>;
let images: string;

async function run(out: string, more: Record<string, unknown>) {
  const given = { input: images, origin: 'relative', mode: 'pixels', k: 2, format: 'json' };
  return extract(resolveOptions({ ...given, workers: 1, out: join(dir, out), ...more }));
}

const rowsOf = (out: string) => readJsonRows(join(dir, out));

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  images = join(dir, 'in');
  const drawn = { seed: 7, imagesPerClass: 2, minSize: 20, maxSize: 60, withBroken: true };
  await writeDataset(images, drawn);
  await run('plain', { format: 'all' });
  await run('views', { format: 'all', ...VIEWS });
});

afterAll(() => remove());

/** The pixels of each view, from the whole image and its name alone. */
async function viewsOf(name: string, origin: string): Promise<number[][]> {
  const bytes = readFileSync(join(images, name));
  const image = await decodeImage(bytes, { exif: 'ignore', maxPixels: 1e6, tiff: false });
  const resizer = new Resizer(10, 10, 'bicubic');
  const views = { count: 3, seed: 5, augment: parseAugmentation(VIEWS.augment) };
  const pixels = new Uint8Array(900);
  resizer.resize(image.data, image.width, image.height, pixels, 0);
  new ViewMaker(views, resizer, 10).write(image, origin, pixels, 0);
  return [0, 1, 2].map((view) => [...pixels.subarray(300 * view, 300 * view + 300)]);
}

const isSound = (name: string) => !name.includes('broken');

test('each image has all its views one after the other, each as its own pixels give it', async () => {
  const names = listFiles(images).filter(isSound);
  const expected = [];
  for (const origin of names) {
    for (const [view, vectors] of (await viewsOf(origin, origin)).entries()) {
      expected.push({ origin, target: origin.split('/')[0], view, vectors });
    }
  }
  const rows = rowsOf('views').map(({ vectors_redux: _, ...row }) => row);
  expect(rows).toEqual(expected);
  const counts = { discovered: names.length + 1, extracted: names.length, rejected: 1 };
  expect(readRunJson(join(dir, 'views')).counts).toMatchObject({
    ...counts,
    rows: 3 * names.length,
  });
  expect(await verifyRun(join(dir, 'views'))).toEqual([]);
});

test('views in an archive and in a Parquet file are those of the origins there', async () => {
  const names = listFiles(images).filter(isSound);
  const bodies = names.map((name) => readFileSync(join(images, name)));
  const members = names.map((name, i) => ({ name, content: bodies[i]! }));
  writeFileSync(join(dir, 'in.tar'), Buffer.concat([writeTar(members), TAR_END]));
  const rows = bodies.map((bytes) => ({ bytes, label: 0 }));
  writeFileSync(join(dir, 'in.parquet'), parquetImages(rows, { groupRows: 4 }));
  for (const input of ['in.tar', 'in.parquet']) {
    await run(`of-${input}`, { ...VIEWS, input: join(dir, input), workers: 2, report: false });
    const found = rowsOf(`of-${input}`);
    const expected = [];
    for (const [i, name] of names.entries()) {
      expected.push(...(await viewsOf(name, String(found[3 * i]!.origin))));
    }
    expect(found.map(({ vectors }) => vectors)).toEqual(expected);
  }
});

test('the plain view, the reducer fitted on it and the findings are those of a run without views', () => {
  const [plain, views] = [tableHashes(join(dir, 'plain')), tableHashes(join(dir, 'views'))];
  for (const name of ['reducer.npz', 'findings.jsonl', 'rejected.jsonl']) {
    expect(views[name]).toBe(plain[name]);
  }
  const first = rowsOf('views').filter((_, i) => i % 3 === 0);
  expect(first.map(({ view, ...row }) => row)).toEqual(rowsOf('plain'));
});

test('the bytes are the same with four workers; all views are fitted where asked', async () => {
  await run('four', { format: 'all', ...VIEWS, workers: 4 });
  expect(tableHashes(join(dir, 'four'))).toEqual(tableHashes(join(dir, 'views')));
  await run('all', { ...VIEWS, fitViews: 'all' });
  expect(tableHashes(join(dir, 'all'))['reducer.npz']).not.toBe(
    tableHashes(join(dir, 'views'))['reducer.npz'],
  );
  await expect(run('views', { format: 'all', ...VIEWS, seed: 6 })).rejects.toThrow(
    'augment was crop,flip,color by seed 5 and is now crop,flip,color by seed 6',
  );
});

test('an update keeps all views of unchanged images, also in a shard with new ones', async () => {
  const copy = join(dir, 'changing');
  cpSync(images, copy, { recursive: true });
  const [gone, late] = listFiles(copy).filter(isSound);
  rmSync(join(copy, late!));
  const given = { ...VIEWS, input: copy, report: false };
  await run('updated', given);
  cpSync(join(images, late!), join(copy, late!));
  rmSync(join(copy, gone!));
  const summary = await run('updated', { ...given, update: true, refit: true });
  expect(summary).toMatchObject({ computed: 3, update: { added: 1, removed: 1 } });
  expect(await verifyRun(join(dir, 'updated'))).toEqual([]);
  await run('fresh', given);
  expect(rowsOf('updated')).toEqual(rowsOf('fresh'));
});

test('a split keeps the views of an image together', async () => {
  await run('split', { ...VIEWS, split: '50/50', format: 'json,csv' });
  const rows = rowsOf('split');
  expect(Object.keys(rows[0]!).slice(0, 4)).toEqual(['origin', 'target', 'split', 'view']);
  const splits = new Map<unknown, Set<unknown>>();
  for (const { origin, split } of rows) {
    splits.set(origin, (splits.get(origin) ?? new Set()).add(split));
  }
  expect([...splits.values()].every((of) => of.size === 1)).toBe(true);
  expect(new Set(rows.map(({ split }) => split)).size).toBe(2);
  expect(await verifyRun(join(dir, 'split'))).toEqual([]);
});

test('transform makes views by the reducer of a run without them', async () => {
  await run('transformed', { ...VIEWS, with: join(dir, 'plain'), limit: 2 });
  expect(rowsOf('transformed')).toEqual(rowsOf('views').slice(0, 6));
});

test('what takes images one by one, and options that belong to views, are refused by name', async () => {
  const given = { input: images, mode: 'pixels', views: 2 } as object;
  const batches = extractBatches(given as Parameters<typeof extractBatches>[0]);
  await expect(batches.next()).rejects.toThrow('extractBatches but received views');
  await expect(run('none', { augment: 'flip' })).rejects.toThrow('--augment only with --views');
  await expect(run('none', { fitViews: 'all' })).rejects.toThrow('--fit-views only with --views');
  for (const augment of ['', 'crop,crop', 'crop=0:1', 'crop=0.5', 'flip=2', 'color=1:1:1:0.6']) {
    await expect(run('none', { views: 2, augment })).rejects.toThrow('for --augment but received');
  }
});
