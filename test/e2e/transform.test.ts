import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { readParquetRows, readRunJson } from './read-table.ts';
import { type CliResult, runInProcess, tempFolder } from './run-cli.ts';

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'old'), { seed: 1, imagesPerClass: 4, minSize: 12, maxSize: 40 });
  await writeDataset(join(dir, 'new'), { seed: 2, imagesPerClass: 2, minSize: 12, maxSize: 40 });
  const options = ['--mode', 'pixels', '--k', '5', '--resize', 'bilinear'];
  expect((await runInProcess(dir, 'old', ...options, '--out', 'fitted')).status).toBe(0);
});
afterAll(() => remove());

function transform(...args: string[]): Promise<CliResult> {
  return runInProcess(dir, 'transform', ...args);
}

test('the images that a run was fitted on keep their reduced vectors', async () => {
  expect((await transform('old', '--with', 'fitted', '--out', 'again')).status).toBe(0);
  expect(readParquetRows(join(dir, 'again'))).toEqual(readParquetRows(join(dir, 'fitted')));
});

test('new images go through the same mode, resize, scaler and components', async () => {
  const run = await transform('new', '--with', 'fitted', '--out', 'transformed');
  expect(run.status).toBe(0);
  expect(run.stderr).not.toContain('Fitting');
  const rows = readParquetRows(join(dir, 'transformed'));
  expect(rows).toHaveLength(12);
  expect(rows[0]!.vectors_redux).toHaveLength(5);
  const run1 = readRunJson(join(dir, 'transformed'));
  expect(run1).toMatchObject({ command: 'transform', options: { resize: 'bilinear', k: 5 } });
  const reducer = (name: string) => readFileSync(join(dir, name, 'reducer.npz'));
  expect(reducer('transformed').equals(reducer('fitted'))).toBe(true);
});

test('features that the reducer was not fitted on are refused by name', async () => {
  const run = await transform('new', '--with', 'fitted', '--out', 'x', '--resize', 'nearest');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('resize was bilinear, is nearest');
});

test('a run that is not finished cannot lend its reducer', async () => {
  const run = await transform('new', '--with', 'old', '--out', 'x');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('Expected a finished run with a reducer for --with');
});

test('a reducer file that was changed is refused', async () => {
  expect((await runInProcess(dir, 'old', '--mode', 'pixels', '--out', 'changed')).status).toBe(0);
  const path = join(dir, 'changed', 'reducer.npz');
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  const run = await transform('new', '--with', 'changed', '--out', 'x');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('with the SHA-256 in its run.json but found another');
});

test('transform without a run says what it needs', async () => {
  const run = await transform('new', '--out', 'x');
  expect(run.status).toBe(2);
  expect(run.stderr).toContain('Expected a finished run for --with but received nothing.');
});
