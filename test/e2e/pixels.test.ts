import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CLASSES, writeDataset } from '../../src/demo/draw-images.ts';
import { readJsonRows, readParquetRows, readRejections, readRunJson } from './read-table.ts';
import { type CliResult, listFiles, runCli, tableHashes, tempFolder } from './run-cli.ts';

const DRAWN = { seed: 1, imagesPerClass: 4, minSize: 12, maxSize: 40 };

let dir: string;
let remove: () => Promise<void>;
let first: CliResult;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'dataset'), { ...DRAWN, withBroken: true });
  first = await pixels('out', '--workers', '1');
});
afterAll(() => remove());

/** One run over the 24 good images and the broken one. */
function pixels(out: string, ...more: string[]): Promise<CliResult> {
  const options = ['--mode', 'pixels', '--out', out, '--format', 'parquet,json,csv', '--k', '5'];
  return runCli(dir, 'dataset', ...options, ...more);
}

test('a run with a broken image is complete, with exit status 1', () => {
  expect(first.stderr).toContain('Rejected dataset/circle/circle-broken.jpg: truncated');
  expect(first.status).toBe(1);
  expect(existsSync(join(dir, 'out', '_SUCCESS'))).toBe(true);
});

test('a run leaves the files that are promised, and no others', () => {
  expect(listFiles(join(dir, 'out'))).toEqual([
    '_SUCCESS',
    'csv/features.csv',
    'findings.jsonl',
    'json/part-00000.json',
    'parquet/part-00000.parquet',
    'reducer.npz',
    'rejected.jsonl',
    'report.html',
    'run.json',
  ]);
});

test('every discovered image is one row or one rejection', () => {
  const out = join(dir, 'out');
  const rows = readJsonRows(out).map((row) => row.origin);
  const rejections = readRejections(out).map((rejection) => rejection.origin);
  expect(rejections).toEqual(['dataset/circle/circle-broken.jpg']);
  expect(rows).toHaveLength(24);
  const discovered = listFiles(join(dir, 'dataset')).map((name) => `dataset/${name}`);
  expect([...rows, ...rejections].sort()).toEqual(discovered);
  expect(readRunJson(out)).toMatchObject({
    counts: { discovered: 25, extracted: 24, rejected: 1 },
  });
});

test('rows stand in byte order of origin, with the folder as target', () => {
  const rows = readParquetRows(join(dir, 'out'));
  const origins = rows.map((row) => String(row.origin));
  expect(origins).toEqual([...origins].sort());
  for (const row of rows) expect(row.target).toBe(String(row.origin).split('/')[1]);
  expect(new Set(rows.map((row) => row.target))).toEqual(new Set(CLASSES));
});

test('vectors are 300 integers from 0 to 255, vectors_redux k numbers', () => {
  for (const row of readParquetRows(join(dir, 'out'))) {
    expect(Object.keys(row)).toEqual(['origin', 'target', 'vectors', 'vectors_redux']);
    const vectors = row.vectors as number[];
    expect(vectors).toHaveLength(300);
    expect(vectors.every((x) => Number.isInteger(x) && x >= 0 && x <= 255)).toBe(true);
    expect(row.vectors_redux).toHaveLength(5);
  }
});

test('Parquet, JSON lines and CSV hold the same rows', () => {
  const out = join(dir, 'out');
  const rows = readParquetRows(out);
  expect(readJsonRows(out)).toEqual(rows);
  const [header, ...lines] = readFileSync(join(out, 'csv/features.csv'), 'utf8').trim().split('\n');
  expect(header).toBe('origin,target,pc1,pc2,pc3,pc4,pc5');
  const matrix = lines.map((line) => line.split(','));
  expect(matrix.map(([origin, target]) => ({ origin, target }))).toEqual(
    rows.map(({ origin, target }) => ({ origin, target })),
  );
  expect(matrix.map((cells) => cells.slice(2).map(Number))).toEqual(
    rows.map((row) => row.vectors_redux),
  );
});

test('four workers write the same bytes as one', async () => {
  await pixels('out4', '--workers', '4');
  expect(tableHashes(join(dir, 'out4'))).toEqual(tableHashes(join(dir, 'out')));
});

test('the same command again finds its work done', async () => {
  const before = tableHashes(join(dir, 'out'));
  const again = await pixels('out', '--workers', '1');
  expect(again.stdout).toContain('Already complete: 24 rows');
  expect(again.status).toBe(1);
  expect(tableHashes(join(dir, 'out'))).toEqual(before);
});

test('a run without a broken image has exit status 0', async () => {
  await writeDataset(join(dir, 'clean'), { ...DRAWN, imagesPerClass: 1, withBroken: false });
  const { status } = await runCli(dir, 'clean', '--mode', 'pixels', '--out', 'out-clean');
  expect(status).toBe(0);
  expect(readFileSync(join(dir, 'out-clean', 'rejected.jsonl'), 'utf8')).toBe('');
});

test('Parquet alone is written where no format is asked for', () => {
  const names = listFiles(join(dir, 'out-clean'));
  expect(names.filter((name) => name.includes('/'))).toEqual(['parquet/part-00000.parquet']);
});

test('more rejections than --max-bad allows end with exit status 2 and no _SUCCESS', async () => {
  const { status, stderr } = await pixels('out-max-bad', '--max-bad', '0');
  expect(status).toBe(2);
  expect(stderr).toContain('--max-bad');
  expect(existsSync(join(dir, 'out-max-bad', '_SUCCESS'))).toBe(false);
  const reasons = join(dir, 'out-max-bad', '.img2features', 'rejected-so-far.jsonl');
  expect(stderr).toContain('rejected-so-far.jsonl');
  const [first] = readFileSync(reasons, 'utf8').split('\n');
  expect(Object.keys(JSON.parse(first!))).toEqual(['origin', 'reason', 'message']);
  // A resumed run leaves no such file.
  expect((await pixels('out-max-bad', '--max-bad', '100%')).status).toBe(1);
  expect(existsSync(reasons)).toBe(false);
});

test('a table that no run began is not replaced unasked, however often one asks', async () => {
  const foreign = join(dir, 'foreign', 'parquet', 'part-00000.parquet');
  mkdirSync(join(dir, 'foreign', 'parquet'), { recursive: true });
  writeFileSync(foreign, 'precious');
  for (let i = 0; i < 2; i++) {
    const run = await pixels('foreign');
    expect(run.status).toBe(2);
    expect(run.stderr).toContain('Expected an output without a table for --out but found');
    expect(readFileSync(foreign, 'utf8')).toBe('precious');
  }
  expect((await pixels('foreign', '--overwrite')).status).toBe(1);
});
