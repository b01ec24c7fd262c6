import { existsSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { fromFloat16, toFloat16 } from '../../src/export/float16.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { readJsonRows, readRunJson } from './read-table.ts';
import { type CliResult, runInProcess, tableHashes, tempFolder } from './run-cli.ts';

const HALF = ['--vector-type', 'float16', '--redux-type', 'float32', '--normalize', 'l2'];
const PIXELS = ['--mode', 'pixels', '--k', '3'];
const EVERY = ['--format', 'all'];
const ADDED = 'in/circle/aaa.png';

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'in'), { seed: 1, imagesPerClass: 4, minSize: 12, maxSize: 30 });
  expect((await run('in', ...PIXELS, ...EVERY, ...HALF, '--out', 'half')).status).toBe(0);
  expect((await run('in', ...PIXELS, '--format', 'json', '--out', 'full')).status).toBe(0);
});
afterAll(() => remove());

function run(...args: string[]): Promise<CliResult> {
  return runInProcess(dir, ...args);
}

test('vectors are those of a plain run, divided by their length and rounded', async () => {
  const full = readJsonRows(join(dir, 'full'));
  const half = readJsonRows(join(dir, 'half'));
  expect(half.map(({ origin }) => origin)).toEqual(full.map(({ origin }) => origin));
  for (const [i, { vectors, vectors_redux }] of half.entries()) {
    const norm = Math.hypot(...(full[i].vectors as number[]));
    const scaled = Float32Array.from(full[i].vectors as number[], (value) => value / norm);
    expect(Float32Array.from(vectors as number[])).toEqual(fromFloat16(toFloat16(scaled)));
    expect(vectors_redux).toHaveLength(3);
  }
});

test('verify finds nothing wrong in any format', async () => {
  expect(await verifyRun(join(dir, 'half'))).toEqual([]);
  const { vectorType, reduxType, normalize } = readRunJson(join(dir, 'half')).options;
  expect([vectorType, reduxType, normalize]).toEqual(['float16', 'float32', 'l2']);
});

test('the report is made again from the table, with pictures that are decoded', async () => {
  await cp(join(dir, 'half'), join(dir, 'reported'), { recursive: true });
  await rm(join(dir, 'reported', 'report.html'));
  const { status, stderr } = await run('report', 'reported');
  expect(status, stderr).toBe(0);
  expect(existsSync(join(dir, 'reported', 'report.html'))).toBe(true);
});

test('an update ends with the bytes of a fresh run, and one with other types is refused by name', async () => {
  await cp(join(dir, 'in'), join(dir, 'before'), { recursive: true });
  const source = join(dir, 'in', 'ring', 'ring-001.png');
  await cp(join(dir, 'half'), join(dir, 'updated'), { recursive: true });
  await cp(source, join(dir, ADDED));
  const given = [...PIXELS, ...EVERY, ...HALF];
  const again = await run('in', ...given, '--out', 'updated', '--update', '--refit');
  expect(again.status, again.stderr).toBe(0);
  expect(again.stderr).toContain('1 added');
  expect((await run('in', ...given, '--out', 'fresh')).status).toBe(0);
  expect(tableHashes(join(dir, 'updated'))).toEqual(tableHashes(join(dir, 'fresh')));
  const other = await run('in', ...PIXELS, ...EVERY, '--out', 'updated', '--update');
  expect(other.status).toBe(2);
  for (const name of ['normalize was l2', 'reduxType was float32', 'vectorType was float16']) {
    expect(other.stderr).toContain(`${name} and is now not set`);
  }
  await rm(join(dir, ADDED));
});

test('transform takes length and type of the vectors from its run, and refuses others', async () => {
  const as = ['transform', 'in', '--with', 'half'];
  const inherited = await run(...as, '--redux-type', 'float32', ...EVERY, '--out', 'transformed');
  expect(inherited.status, inherited.stderr).toBe(0);
  // Parquet and Feather hold what the run was; numbers are the same.
  const rows = (out: string) => readJsonRows(join(dir, out));
  expect(rows('transformed')).toEqual(rows('half'));
  const refused = await run(...as, '--vector-type', 'float32', '--normalize', 'none', '--out', 'x');
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain('normalize was l2, is not set');
  expect(refused.stderr).toContain('vectorType was float16, is not set');
  const plain = await run('transform', 'in', '--with', 'full', '--normalize', 'l2', '--out', 'x');
  expect(plain.stderr).toContain('normalize was not set, is l2');
});
