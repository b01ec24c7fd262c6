import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { featureColumns } from '../../src/export/column-names.ts';
import { readCsvTable } from '../../src/export/csv.ts';
import { uncheckedFiles } from '../../src/export/table-batch.ts';
import { FolderStore } from '../../src/storage/folder-store.ts';
import { type Row, readParquetRows, readRejections, readRunJson } from '../e2e/read-table.ts';
import { type CliResult, listFiles, runInProcess, startCli, tempFolder } from '../e2e/run-cli.ts';
import { loadScript } from '../scripts/load-script.ts';

const { hostileImages } = await loadScript('../test/fixtures/make-hostile-images.mjs');
const hostile: Record<string, { bytes: Buffer; end: string }> = await hostileImages();

/** Names that a shell, a spreadsheet, a page or a path could trip over. */
const NAMES = [
  '=cmd|calc!A1.jpg',
  '@SUM(1+1).jpg',
  '+1.jpg',
  '-1.jpg',
  '$(touch gone).jpg',
  '`touch gone`.jpg',
  'x..%2f..%2fgone.jpg',
  'x\\..\\..\\gone.jpg',
  '<script>alert(1)<\u2215script>.jpg',
  'two\nlines.jpg',
  'tab\there.jpg',
  'carriage\rreturn.jpg',
  'right-to-left\u202egpj.jpg',
  'escape\u001b[2J.jpg',
  `${'long'.repeat(60)}.jpg`,
];

let dir: string;
let remove: () => Promise<void>;
let run: CliResult;
let seconds: number;
let peakMiB: number;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'in'), { seed: 9, imagesPerClass: 3, minSize: 20, maxSize: 40 });
  await runInProcess(dir, ...command('calm'));
  await mkdir(join(dir, 'in', 'hostile'));
  await mkdir(join(dir, 'in', 'names'));
  for (const [name, { bytes }] of Object.entries(hostile)) {
    await writeFile(join(dir, 'in', 'hostile', name), bytes);
  }
  const good = await readFile(join(dir, 'in', listFiles(join(dir, 'in'))[0]!));
  for (const name of NAMES) await writeFile(join(dir, 'in', 'names', name), good);
  const start = performance.now();
  const { child, finished } = startCli(dir, ...command('out'));
  const watching = watchMemory(child);
  run = await finished;
  seconds = (performance.now() - start) / 1000;
  peakMiB = await watching;
  process.stderr.write(
    `${Object.keys(hostile).length} hostile images: ${seconds.toFixed(1)} s, ${peakMiB} MiB\n`,
  );
});
afterAll(() => remove());

function command(out: string): string[] {
  const formats = ['--format', 'parquet,csv'];
  return ['in', '--mode', 'pixels', '--out', out, '--k', '2', '--workers', '2', ...formats];
}

/** The most memory that the process held, MiB; 0 where the system does not tell. */
async function watchMemory(child: ChildProcess): Promise<number> {
  let peak = 0;
  while (child.exitCode === null && child.signalCode === null) {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) >> 10);
    } catch {}
    await sleep(20);
  }
  return peak;
}

const vectorsOf = (rows: readonly Row[]) =>
  Object.fromEntries(rows.map(({ origin, vectors }) => [origin, vectors]));

test('there are at least 60 of them, and each ends as it must', () => {
  expect(Object.keys(hostile).length).toBeGreaterThanOrEqual(60);
  const ends = [
    ...readParquetRows(join(dir, 'out')).map(({ origin }) => [origin, 'row']),
    ...readRejections(join(dir, 'out')).map(({ origin, reason }) => [origin, reason]),
  ].filter(([origin]) => String(origin).startsWith('in/hostile/'));
  const expected = Object.entries(hostile).map(([name, { end }]) => [`in/hostile/${name}`, end]);
  expect(Object.fromEntries(ends)).toEqual(Object.fromEntries(expected));
  expect(ends).toHaveLength(expected.length);
});

test('the run ends well, with every file accounted for, and verify agrees', async () => {
  expect(run.status, run.stderr).toBe(1);
  const { discovered, extracted, rejected } = readRunJson(join(dir, 'out')).counts;
  expect(discovered).toBe(listFiles(join(dir, 'in')).length);
  expect(extracted + rejected).toBe(discovered);
  const verified = await runInProcess(dir, 'verify', 'out');
  expect(verified.status, verified.stdout + verified.stderr).toBe(0);
});

test('time and memory are bounded', () => {
  expect(seconds).toBeLessThan(60);
  expect(peakMiB).toBeLessThan(1536);
});

test('good neighbours have the vectors that they have alone', () => {
  const calm = vectorsOf(readParquetRows(join(dir, 'calm')));
  expect(Object.keys(calm).length).toBeGreaterThan(0);
  expect(vectorsOf(readParquetRows(join(dir, 'out')))).toMatchObject(calm);
});

test('names stay names: in the table as they are, in CSV no formula, and nothing beside --out', async () => {
  const origins = readParquetRows(join(dir, 'out')).map(({ origin }) => origin);
  expect(origins).toEqual(expect.arrayContaining(NAMES.map((name) => `in/names/${name}`)));
  expect(readdirSync(dir).sort()).toEqual(['calm', 'in', 'out']);
  expect(existsSync(join(dir, '..', 'gone.jpg'))).toBe(false);
  const store = await FolderStore.open(join(dir, 'out'));
  const columns = featureColumns('pixels', [{ layer: 'pixels', pool: 'none', length: 300 }], 10);
  const inCsv: string[] = [];
  for await (const { origins: some } of readCsvTable(
    uncheckedFiles(store),
    'csv/features.csv',
    columns,
  )) {
    inCsv.push(...some!);
  }
  expect(inCsv).toEqual(origins);
});

test('a cell that a spreadsheet would compute is written as text', async () => {
  await mkdir(join(dir, 'formulas'));
  const name = '=cmd|calc!A1.jpg';
  await writeFile(join(dir, 'formulas', name), await readFile(join(dir, 'in', 'names', name)));
  const args = ['--mode', 'pixels', '--out', 'formulas-out', '--origin', 'relative', '--k', '1'];
  await runInProcess(dir, 'formulas', ...args, '--format', 'csv');
  const csv = await readFile(join(dir, 'formulas-out', 'csv', 'features.csv'), 'utf8');
  expect(csv).toMatch(/^'=cmd/m);
});
