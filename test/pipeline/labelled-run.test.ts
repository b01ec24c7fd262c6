/** Labels from the list to the table: whole runs in this process, on the build. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
// Threads start from the build.
import * as built from '../../dist/index.js';
import type * as api from '../../src/index.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { solidPng } from '../dry-run/solid-png.ts';
import { readParquetRows } from '../e2e/read-table.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const { extract, extractBatches, resolveOptions } = built as unknown as typeof api;

const PIXELS = { mode: 'pixels', k: 1, report: false, workers: 1 } as const;

test('splits and kept columns of a list are in the table and run.json; an update relabels rows without computing them', async () => {
  const dir = await temporaryFolder();
  for (const i of [1, 2, 3]) writeFileSync(join(dir, `${i}.png`), solidPng(4, 4, [i, 0, 9 * i]));
  const list = join(dir, 'list.csv');
  const write = (...rows: string[]) =>
    writeFileSync(list, ['file,label,split,brand', ...rows].join('\n'));
  write('1.png,a,train,x', '2.png,a,train,', '3.png,b,test,y', 'gone.png,b,test,z');
  const out = join(dir, 'out');
  const run = (more: Record<string, unknown> = {}) =>
    extract(
      resolveOptions({ ...PIXELS, input: list, out, keepColumns: 'brand', format: 'all', ...more }),
    );
  expect(await run()).toMatchObject({ extracted: 3, rejected: 1 });
  const labels = () =>
    readParquetRows(out).map(({ target, split, brand }) => [target, split, brand]);
  expect(labels()).toEqual([
    ['a', 'train', 'x'],
    ['a', 'train', ''],
    ['b', 'test', 'y'],
  ]);
  const json = () => JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
  expect(json()).toMatchObject({ splits: { train: 2, test: 1 }, keptColumns: ['brand'] });
  expect(await verifyRun(out)).toEqual([]);
  const [batch] = [...readFileSync(join(out, 'csv/features.csv'), 'utf8').split('\n')];
  expect(batch).toBe('origin,target,split,brand,pc1');

  write('1.png,a,train,x', '2.png,a,test,', '3.png,b,test,y', 'gone.png,b,test,z');
  expect((await run({ update: true })).update).toMatchObject({ unchanged: 3, relabelled: 1 });
  expect(labels().map(([, split]) => split)).toEqual(['train', 'test', 'test']);
  expect(json().splits).toEqual({ train: 1, test: 2 });
  expect((await run({ update: true })).update).toMatchObject({ unchanged: 3, relabelled: 0 });
  await expect(run({ update: true, columns: 'origin,brands,vectors' })).rejects.toThrow('"brands"');
});

test('extractBatches has the labels of a list beside a folder', async () => {
  const dir = await temporaryFolder();
  mkdirSync(join(dir, 'in'));
  writeFileSync(join(dir, 'in/1.png'), solidPng(4, 4, [1, 2, 3]));
  writeFileSync(join(dir, 'labels.csv'), 'image,label,split,brand\n1,cat,val,x\n');
  const given = {
    input: join(dir, 'in'),
    mode: 'pixels',
    labels: join(dir, 'labels.csv'),
  } as const;
  const rows = [];
  for await (const batch of extractBatches({ ...given, keepColumns: 'all' })) rows.push(...batch);
  expect(rows.map(({ target, split, brand }) => [target, split, brand])).toEqual([
    ['cat', 'val', 'x'],
  ]);
});

test('the report looks for images that the splits share, wherever they lie', async () => {
  const dir = await temporaryFolder();
  const names = ['a/1.png', 'a/2.png', 'b/3.png', 'b/4.png'];
  for (const [i, name] of names.entries()) {
    mkdirSync(dirname(join(dir, 'in', name)), { recursive: true });
    writeFileSync(join(dir, 'in', name), solidPng(4, 4, i === 3 ? [0, 9, 9] : [70 * i, 9, 9]));
  }
  writeFileSync(
    join(dir, 'labels.csv'),
    'path,split\na/1.png,train\na/2.png,train\nb/3.png,test\nb/4.png,test\n',
  );
  const out = join(dir, 'out');
  const given = { ...PIXELS, report: true, input: join(dir, 'in'), out };
  await extract(resolveOptions({ ...given, labels: join(dir, 'labels.csv') }));
  const found = readFileSync(join(out, 'findings.jsonl'), 'utf8').trim().split('\n');
  const leaks = found.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'leak');
  expect(leaks.map(({ origins, evidence }) => [origins, evidence.parts])).toEqual([
    [
      [join(dir, 'in/b/4.png'), join(dir, 'in/a/1.png')],
      ['test', 'train'],
    ],
  ]);
});

test('--split makes a split without leaks, which an update keeps and any number of workers repeats', async () => {
  const dir = await temporaryFolder();
  const input = join(dir, 'in');
  const draw = (name: string, rgb: [number, number, number]) => {
    mkdirSync(dirname(join(input, name)), { recursive: true });
    writeFileSync(join(input, name), solidPng(4, 4, rgb));
  };
  // Each color twice, in two sizes of file name; and a near copy of each.
  for (let i = 0; i < 30; i++) {
    const [folder, red] = [i % 2 === 0 ? 'a' : 'b', (i * 97) % 256];
    draw(`${folder}/${i}.png`, [red, 8 * i, 255 - red]);
    draw(`${folder}/${i}-again.png`, [red, 8 * i, 255 - red]);
    draw(`${folder}/${i}-near.png`, [red, 8 * i, 254 - red]);
  }
  const run = (out: string, more: Record<string, unknown> = {}) =>
    extract(
      resolveOptions({
        ...{ ...PIXELS, k: 2, report: true, input, out: join(dir, out), origin: 'relative' },
        ...{ split: '60/20/20', seed: 7, standardize: false, ...more },
      }),
    );
  const splits = (out: string) =>
    new Map(readParquetRows(join(dir, out)).map(({ origin, split }) => [origin, split as string]));
  const leaks = (out: string) =>
    readFileSync(join(dir, out, 'findings.jsonl'), 'utf8').match(/"kind":"leak"/g)?.length ?? 0;
  await run('one');
  await run('four', { workers: 4, k: 0 });
  const one = splits('one');
  expect(splits('four')).toEqual(one);
  for (let i = 0; i < 30; i++) {
    const folder = i % 2 === 0 ? 'a' : 'b';
    const group = ['', '-again', '-near'].map((end) => one.get(`${folder}/${i}${end}.png`));
    expect(new Set(group).size).toBe(1);
  }
  const json = JSON.parse(readFileSync(join(dir, 'one/run.json'), 'utf8'));
  expect(json.splits).toEqual({ test: 18, train: 54, val: 18 });
  expect([leaks('one'), json.findings.compared]).toEqual([0, ['train', 'test', 'val']]);

  await run('other', { seed: 8 });
  expect(splits('other')).not.toEqual(one);
  for (let i = 30; i < 40; i++) draw(`a/${i}.png`, [i, 250, 6 * i]);
  await run('one', { update: true });
  const updated = splits('one');
  expect(updated.size).toBe(100);
  for (const [origin, split] of one) expect(updated.get(origin)).toBe(split);
  // And once more: the splits of an update are kept, too.
  draw('b/40.png', [99, 1, 200]);
  await run('one', { update: true });
  const again = splits('one');
  for (const [origin, split] of updated) expect(again.get(origin)).toBe(split);
  expect([leaks('one'), await verifyRun(join(dir, 'one'))]).toEqual([0, []]);
  await expect(run('one', { update: true, seed: 8 })).rejects.toThrow('by seed 7');
});

test('the command reads a list from standard input', async () => {
  const dir = await temporaryFolder();
  writeFileSync(join(dir, '1.png'), solidPng(4, 4, [1, 2, 3]));
  const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
  const args = [cli, '-', '--mode', 'pixels', '--k', '0', '--no-report', '--out', 'out'];
  const input = 'path,label\n1.png,cat\n';
  expect(spawnSync(process.execPath, args, { cwd: dir, input }).status).toBe(0);
  expect(readParquetRows(join(dir, 'out')).map(({ target }) => target)).toEqual(['cat']);
});
