/** NumPy and Feather through the whole command: rejections, workers, verify, transform. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { decodeNpy } from '../../src/reduce/npy.ts';
import { tableRows } from '../../src/report/finished-run.ts';
import type { RunJson } from '../../src/run/run-json.ts';
import { FolderStore } from '../../src/storage/folder-store.ts';
import { readJsonRows } from './read-table.ts';
import { listFiles, runInProcess, tableHashes, tempFolder } from './run-cli.ts';

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const drawn = { seed: 3, imagesPerClass: 4, minSize: 12, maxSize: 40, withBroken: true };
  await writeDataset(join(dir, 'dataset'), drawn);
  await run('one', 'json,npy,feather', '--workers', '1');
});
afterAll(async () => {
  await remove();
});

function run(out: string, format: string, ...more: string[]) {
  const options = ['--mode', 'pixels', '--out', out, '--format', format, '--k', '5'];
  return runInProcess(dir, 'dataset', ...options, ...more);
}

function readMatrix(name: string) {
  return decodeNpy(readFileSync(join(dir, name)), name);
}

test('the matrices, the index and the Arrow file hold the rows of the JSON file', () => {
  const rows = readJsonRows(join(dir, 'one'));
  const index = readFileSync(join(dir, 'one/npy/index.jsonl'), 'utf8').trimEnd().split('\n');
  expect(index.map((line) => JSON.parse(line))).toEqual(
    rows.map(({ origin, target }) => ({ origin, target })),
  );
  const vectors = readMatrix('one/npy/vectors.npy');
  expect(vectors).toMatchObject({ dtype: 'float32', shape: [24, 300] });
  expect([...(vectors.data as Float32Array)]).toEqual(
    rows.flatMap((row) => row.vectors as number[]),
  );
  const redux = readMatrix('one/npy/vectors_redux.npy');
  expect(redux).toMatchObject({ dtype: 'float64', shape: [24, 5] });
  expect([...(redux.data as Float64Array)]).toEqual(
    rows.flatMap((row) => row.vectors_redux as number[]),
  );
  const table = tableFromIPC(readFileSync(join(dir, 'one/feather/part-00000.feather')));
  expect([...table.getChild('origin')!]).toEqual(rows.map(({ origin }) => origin));
  expect([...table.getChild('vectors')!.get(23)]).toEqual(rows[23]!.vectors);
});

test('what findings are made of is the same from each format', async () => {
  const run = JSON.parse(readFileSync(join(dir, 'one/run.json'), 'utf8')) as RunJson;
  const from = async (format: string) => {
    const files = run.files.filter(({ name }) => name.startsWith(`${format}/`));
    const batches = [];
    const rows = tableRows(FolderStore.forReading(join(dir, 'one')), { ...run, files });
    for await (const batch of rows.batches()) batches.push(batch);
    return batches;
  };
  const expected = await from('json');
  expect(expected[0]!.n).toBe(24);
  expect(await from('npy')).toEqual(expected);
  expect(await from('feather')).toEqual(expected);
});

test('the number of workers changes no byte', async () => {
  await run('two', 'json,npy,feather', '--workers', '3');
  const bytes = (out: string) =>
    Object.entries(tableHashes(join(dir, out))).filter(([name]) => /^(npy|feather)\//.test(name));
  expect(bytes('two')).toHaveLength(4);
  expect(bytes('two')).toEqual(bytes('one'));
});

test('verify finds them sound, and finds a changed value, a lost file and a foreign one', async () => {
  await run('three', 'npy,feather');
  expect((await runInProcess(dir, 'verify', 'three')).status).toBe(0);
  const path = join(dir, 'three/npy/vectors.npy');
  const bytes = readFileSync(path);
  bytes.writeFloatLE(Number.NaN, bytes.length - 4);
  writeFileSync(path, bytes);
  writeFileSync(join(dir, 'three/feather/part-00009.feather'), 'x');
  const { stdout, status } = await runInProcess(dir, 'verify', 'three');
  expect(status).toBe(2);
  expect(stdout).toContain('npy/vectors.npy: the bytes are not those of run.json');
  expect(stdout).toContain('feather/part-00009.feather is not of this run');
});

test('--overwrite clears what another choice of formats left', async () => {
  await run('four', 'npy,feather');
  await run('four', 'json', '--overwrite');
  expect(listFiles(join(dir, 'four')).filter((name) => /^(npy|feather)\//.test(name))).toEqual([]);
});

test('a table of names alone, and one of vectors alone, are written and sound', async () => {
  await run('names', 'npy,feather', '--columns', 'origin,target');
  await run('values', 'npy', '--columns', 'vectors');
  expect(listFiles(join(dir, 'values')).filter((name) => name.startsWith('npy/'))).toEqual([
    'npy/vectors.npy',
  ]);
  expect(listFiles(join(dir, 'names')).filter((name) => name.startsWith('npy/'))).toEqual([
    'npy/index.jsonl',
  ]);
  for (const out of ['names', 'values'])
    expect((await runInProcess(dir, 'verify', out)).stdout).toBe(`${out} is sound.\n`);
});

test('transform writes them from a run that has other formats', async () => {
  await runInProcess(
    dir,
    'transform',
    'dataset',
    '--with',
    'one',
    '--out',
    'new',
    '--format',
    'npy',
  );
  expect(readFileSync(join(dir, 'new/npy/vectors_redux.npy'))).toEqual(
    readFileSync(join(dir, 'one/npy/vectors_redux.npy')),
  );
});
