import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cp, mkdir, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import {
  type Row,
  readJsonRows,
  readParquetRows,
  readRejections,
  readRunJson,
} from './read-table.ts';
import { type CliResult, runInProcess, tableHashes, tempFolder } from './run-cli.ts';

const PIXELS = ['--mode', 'pixels', '--no-report'];
const THREE = ['--k', '3', '--format', 'parquet,json,csv'];
/** What happens to the input between the finished run and its update: two new, one other, one gone. */
const ADDED = ['in/circle/aaa.png', 'in/zoo/new.png'];
const CHANGED = 'in/ring/ring-001.png';
const REMOVED = 'in/square/square-000.jpg';
const BROKEN = 'in/circle/circle-broken.jpg';
const COUNTS = { unchanged: 22, added: 2, changed: 1, removed: 1, rejectedBefore: 1 };
const NOTHING_RARE = { retried: 0, relabelled: 0 };

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const small = { imagesPerClass: 4, minSize: 12, maxSize: 30 };
  await writeDataset(join(dir, 'in'), { seed: 1, ...small, withBroken: true });
  await writeDataset(join(dir, 'other'), { seed: 2, ...small });
  await run('base', ...PIXELS, ...THREE);
  const other = join(dir, 'other', 'cross', 'cross-001.png');
  await mkdir(join(dir, 'in', 'zoo'));
  for (const name of [...ADDED, CHANGED]) await cp(other, join(dir, name));
  await rm(join(dir, REMOVED));
  await run('fresh', ...PIXELS, ...THREE);
}, 60_000);
afterAll(() => remove());

function run(out: string, ...args: string[]): Promise<CliResult> {
  return runInProcess(dir, 'in', ...args, '--out', out);
}

/** Brings a copy of the finished run up to date. */
async function update(out: string, ...more: string[]): Promise<CliResult> {
  await cp(join(dir, 'base'), join(dir, out), { recursive: true });
  return run(out, ...PIXELS, ...THREE, '--update', ...more);
}

function byOrigin(rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.origin as string, row]));
}

describe('files were added, changed and removed', () => {
  test('only those are computed; it says how many, as text and in run.json', async () => {
    const { status, stdout, stderr } = await update('kept');
    expect(status, stderr).toBe(1); // the broken image is still rejected
    expect(stderr).toContain(
      'Since the finished run: 22 unchanged, 2 added, 1 changed, 1 removed, 1 rejected before and unchanged.',
    );
    expect(stdout).toContain('25 rows, 1 rejected, of 26 images');
    expect(stdout).toContain('1 rejected before and unchanged; scaler and PCA kept');
    // Untried: whoever tries an image and fails says so at once.
    expect(stderr).not.toContain('Rejected');
    expect(stderr).not.toContain('Fitting');
    expect(readRunJson(join(dir, 'kept')).update).toEqual({
      ...COUNTS,
      ...NOTHING_RARE,
      reducer: 'kept',
    });
    expect(await verifyRun(join(dir, 'kept'))).toEqual([]);
    expect(readRejections(join(dir, 'kept'))).toEqual(readRejections(join(dir, 'base')));
  });

  test('kept rows and the reducer are what they were, bit for bit; new rows are those of a fresh run', () => {
    const reducer = (out: string) => readFileSync(join(dir, out, 'reducer.npz'));
    expect(reducer('kept').equals(reducer('base'))).toBe(true);
    const kept = byOrigin(readParquetRows(join(dir, 'kept')));
    const base = byOrigin(readParquetRows(join(dir, 'base')));
    const fresh = byOrigin(readParquetRows(join(dir, 'fresh')));
    expect([...kept.keys()]).toEqual([...fresh.keys()]);
    for (const [origin, row] of kept) {
      if ([...ADDED, CHANGED].includes(origin))
        expect(row.vectors).toEqual(fresh.get(origin)!.vectors);
      else expect(row).toEqual(base.get(origin));
    }
    expect(kept.get(CHANGED)!.vectors).not.toEqual(base.get(CHANGED)!.vectors);
  });

  test('new rows are reduced as transform would reduce them', async () => {
    const command = ['transform', 'in', '--with', 'base', '--out', 'transformed'];
    const { status, stderr } = await runInProcess(dir, ...command, '--no-report');
    expect(status, stderr).toBe(1);
    expect(readParquetRows(join(dir, 'transformed'))).toEqual(readParquetRows(join(dir, 'kept')));
  });

  test('with --refit every file is that of a fresh run, byte for byte', async () => {
    const { status, stderr } = await update('refitted', '--refit');
    expect(status, stderr).toBe(1);
    expect(stderr).toContain('Fitting the reducer');
    expect(tableHashes(join(dir, 'refitted'))).toEqual(tableHashes(join(dir, 'fresh')));
    expect(readRunJson(join(dir, 'refitted')).update.reducer).toBe('refitted');
    expect(await verifyRun(join(dir, 'refitted'))).toEqual([]);
  });

  test('a second update finds nothing to do, says so, and touches no file', async () => {
    const before = timesOf('kept');
    const { status, stdout } = await run('kept', ...PIXELS, ...THREE, '--update');
    expect(status).toBe(0);
    expect(stdout).toBe(
      'Nothing changed: 25 unchanged, 0 added, 0 changed, 0 removed, 1 rejected before and unchanged.\n' +
        'Up to date: 25 rows in kept.\n',
    );
    expect(timesOf('kept')).toEqual(before);
  });

  test('the command without --update takes an updated run for complete', async () => {
    const { status, stdout } = await run('kept', ...PIXELS, ...THREE);
    expect(status).toBe(1);
    expect(stdout).toContain('Already complete: 25 rows in kept');
  });

  test('--refit later fits what an update had kept, though no file changed', async () => {
    const { stderr } = await run('kept', ...PIXELS, ...THREE, '--update', '--refit');
    expect(stderr).toContain('Fitting the reducer');
    expect(tableHashes(join(dir, 'kept'))).toEqual(tableHashes(join(dir, 'fresh')));
    const again = await run('kept', ...PIXELS, ...THREE, '--update', '--refit');
    expect(again.stdout).toContain('Nothing changed');
  });

  test('--dry-run --update says what would be done, and does nothing', async () => {
    const before = timesOf('base');
    const { status, stdout, stderr } = await run(
      'base',
      ...PIXELS,
      ...THREE,
      '--update',
      '--dry-run',
    );
    expect(status, stderr).toBe(1); // the broken image is found again
    expect(stdout).toContain('--update: 22 unchanged, 2 added, 1 changed, 1 removed');
    expect(timesOf('base')).toEqual(before);
    const nothing = await run('kept', ...PIXELS, ...THREE, '--update', '--dry-run');
    expect(nothing.stdout).toContain('Time: there is nothing to compute.');
    const first = await run('nowhere', ...PIXELS, '--update', '--dry-run');
    expect(first.stdout).toContain('--update: no run has finished in --out');
  });

  test('--log json tells the counts as an event', async () => {
    const { stdout } = await update('logged', '--log', 'json');
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events).toContainEqual({
      event: 'update',
      ...COUNTS,
      ...NOTHING_RARE,
      reducer: 'kept',
    });
    expect(events.find(({ event }) => event === 'progress')).toMatchObject({
      total: 26,
      rejected: 1,
    });
    expect(events.at(-1).summary.update).toMatchObject(COUNTS);
  });
});

/** Modification times of every file, the run's own state included; the lock comes and goes. */
function timesOf(out: string): Record<string, number> {
  const entries = readdirSync(join(dir, out), { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path, statSync(path).mtimeMs]),
  );
}

test('a rejected image is tried again once its file changed', async () => {
  const spare = join(dir, 'spare.jpg');
  await rename(join(dir, BROKEN), spare);
  await cp(join(dir, 'other', 'cross', 'cross-000.jpg'), join(dir, BROKEN));
  const { status, stderr } = await update('mended');
  await rename(spare, join(dir, BROKEN));
  expect(status, stderr).toBe(0);
  expect(stderr).toContain('2 changed, 1 removed, 0 rejected before and unchanged');
  expect(byOrigin(readParquetRows(join(dir, 'mended'))).has(BROKEN)).toBe(true);
  expect(await verifyRun(join(dir, 'mended'))).toEqual([]);
});

describe('what a finished table gives back', () => {
  test.each(['json', 'feather'])('a run with %s alone is updated from it', async (format) => {
    const list = await listOf(`${format}.txt`, 'in/ring/ring-000.jpg', 'in/ring/ring-002.webp');
    const args = [list, ...PIXELS, '--k', '1', '--format', format];
    expect((await runInProcess(dir, ...args, '--out', format)).status).toBe(0);
    await listOf(`${format}.txt`, 'in/ring/ring-000.jpg', 'in/ring/ring-002.webp', ADDED[0]!);
    const { status, stderr } = await runInProcess(
      dir,
      ...args,
      '--out',
      format,
      '--update',
      '--refit',
    );
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('2 unchanged, 1 added, 0 changed, 0 removed');
    expect((await runInProcess(dir, ...args, '--out', `${format}-fresh`)).status).toBe(0);
    expect(tableHashes(join(dir, format))).toEqual(tableHashes(join(dir, `${format}-fresh`)));
  });

  test.each([
    ['csv', ['--format', 'csv']],
    ['columns', ['--columns', 'origin,target,vectors_redux']],
  ])('a table without vectors is refused (%s)', async (name, more) => {
    const list = await listOf(`${name}.txt`, 'in/ring/ring-000.jpg', 'in/ring/ring-002.webp');
    const args = [list, ...PIXELS, '--k', '1', ...more, '--out', name];
    expect((await runInProcess(dir, ...args)).status).toBe(0);
    const before = tableHashes(join(dir, name));
    await listOf(`${name}.txt`, 'in/ring/ring-000.jpg', ADDED[0]!);
    const { status, stderr } = await runInProcess(dir, ...args, '--update');
    expect(status).toBe(2);
    expect(stderr).toContain('found a table that does not give them back');
    expect(tableHashes(join(dir, name))).toEqual(before);
  });

  test('vectors alone are enough: rows are known by their order', async () => {
    const more = ['--columns', 'vectors'];
    const list = await listOf('bare.txt', 'in/ring/ring-000.jpg', 'in/ring/ring-002.webp');
    const args = [list, ...PIXELS, '--k', '1', ...more];
    expect((await runInProcess(dir, ...args, '--out', 'bare')).status).toBe(0);
    await listOf('bare.txt', ADDED[0]!, 'in/ring/ring-002.webp');
    expect((await runInProcess(dir, ...args, '--out', 'bare', '--update')).status).toBe(0);
    expect((await runInProcess(dir, ...args, '--out', 'bare-fresh')).status).toBe(0);
    expect(readParquetRows(join(dir, 'bare'))).toEqual(readParquetRows(join(dir, 'bare-fresh')));
  });

  test('another target in the list renames the row and computes nothing', async () => {
    const lines = (target: string) =>
      ['in/ring/ring-000.jpg', 'in/ring/ring-002.webp']
        .map((path) => JSON.stringify({ path, target }))
        .join('\n');
    writeFileSync(join(dir, 'labels.jsonl'), lines('a'));
    const args = ['labels.jsonl', ...PIXELS, '--k', '1', '--format', 'json', '--out', 'labelled'];
    expect((await runInProcess(dir, ...args)).status).toBe(0);
    writeFileSync(join(dir, 'labels.jsonl'), lines('b'));
    const { status, stdout, stderr } = await runInProcess(dir, ...args, '--update');
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('2 unchanged, 0 added, 0 changed, 0 removed');
    expect(stdout).toContain('2 with another target');
    expect(readJsonRows(join(dir, 'labelled')).map(({ target }) => target)).toEqual(['b', 'b']);
  });

  async function listOf(name: string, ...paths: string[]): Promise<string> {
    writeFileSync(join(dir, name), `${paths.join('\n')}\n`);
    return name;
  }
});

describe('the old table is not sound', () => {
  test('a part with a flipped bit is named, nothing of it is used, and it stays as it is', async () => {
    await cp(join(dir, 'base'), join(dir, 'flipped'), { recursive: true });
    const part = join(dir, 'flipped', 'parquet', 'part-00000.parquet');
    const bytes = readFileSync(part);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(part, bytes);
    const { status, stderr } = await update('flipped-2').then(() =>
      run('flipped', ...PIXELS, ...THREE, '--update'),
    );
    expect(status).toBe(2);
    expect(stderr).toContain(
      'Expected parquet/part-00000.parquet of flipped with the SHA-256 in its run.json but found another',
    );
    expect(existsSync(join(dir, 'flipped', '_SUCCESS'))).toBe(true);
    expect(readFileSync(part).equals(bytes)).toBe(true);
    // Restored, the same command resumes.
    await cp(join(dir, 'base', 'parquet', 'part-00000.parquet'), part);
    const again = await run('flipped', ...PIXELS, ...THREE, '--update');
    expect(again.status, again.stderr).toBe(1);
    expect(tableHashes(join(dir, 'flipped'))).toEqual(tableHashes(join(dir, 'flipped-2')));
  });

  test('a reducer that was changed is refused', async () => {
    await cp(join(dir, 'base'), join(dir, 'reducer'), { recursive: true });
    writeFileSync(join(dir, 'reducer', 'reducer.npz'), 'none');
    const { status, stderr } = await run('reducer', ...PIXELS, ...THREE, '--update');
    expect(status).toBe(2);
    expect(stderr).toContain('Expected reducer.npz of reducer with the SHA-256 in its run.json');
  });

  test('a table without its _SUCCESS is not updated', async () => {
    await cp(join(dir, 'base'), join(dir, 'removed'), { recursive: true });
    await rm(join(dir, 'removed', '_SUCCESS'));
    const { status, stderr } = await run('removed', ...PIXELS, ...THREE, '--update');
    expect(status).toBe(2);
    expect(stderr).toContain('to have its run.json and _SUCCESS but found them removed');
  });

  test('a table whose state is lost is refused: what changed cannot be told', async () => {
    await cp(join(dir, 'base'), join(dir, 'stateless'), { recursive: true });
    await rm(join(dir, 'stateless', '.img2features'), { recursive: true });
    const { status, stderr } = await run('stateless', ...PIXELS, '--update');
    expect(status).toBe(2);
    expect(stderr).toContain('Expected the state of the finished run in stateless for --update');
  });
});

describe('what --update refuses', () => {
  test('other options than those of the finished run, each by name', async () => {
    const { status, stderr } = await update('resized', '--resize', 'nearest', '--exif', 'apply');
    expect(status).toBe(2);
    expect(stderr).toContain(
      'exif was ignore and is now apply; resize was bicubic and is now nearest',
    );
    expect(tableHashes(join(dir, 'resized'))).toEqual(tableHashes(join(dir, 'base')));
  });

  test('an input without any image of the finished run', async () => {
    await cp(join(dir, 'base'), join(dir, 'lost'), { recursive: true });
    const args = ['other', ...PIXELS, ...THREE, '--out', 'lost', '--update'];
    const { status, stderr } = await runInProcess(dir, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain('among those of other but found none of its 25');
    expect(tableHashes(join(dir, 'lost'))).toEqual(tableHashes(join(dir, 'base')));
  });

  test.each([
    [['--update', '--overwrite'], 'Expected --update or --overwrite but received both'],
    [['--refit'], 'Expected --refit only with --update'],
    [['--update', '--refit', '--with', 'base'], 'Expected --with or --refit but received both'],
  ])('%j', async (flags, message) => {
    const { status, stderr } = await run('never', ...PIXELS, ...flags);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
    expect(existsSync(join(dir, 'never'))).toBe(false);
  });
});

describe('no finished run', () => {
  test('an empty --out gets its first run', async () => {
    const { status, stderr } = await run('first', ...PIXELS, ...THREE, '--update');
    expect(status, stderr).toBe(1);
    expect(stderr).toContain('No run in first yet: this is its first.');
    expect(tableHashes(join(dir, 'first'))).toEqual(tableHashes(join(dir, 'fresh')));
    expect(readRunJson(join(dir, 'first')).update).toBeUndefined();
  });

  test('an unfinished run is resumed', async () => {
    const stopped = await run('unfinished', ...PIXELS, '--max-bad', '0');
    expect(stopped.status).toBe(2);
    const { status, stderr } = await run('unfinished', ...PIXELS, '--update');
    expect(status, stderr).toBe(1);
    expect(stderr).toContain('The run in unfinished is not finished: resuming it.');
    expect(await verifyRun(join(dir, 'unfinished'))).toEqual([]);
  });
});

test('a transform run keeps the reducer that it borrowed', async () => {
  const args = ['transform', 'other', '--with', 'base', '--no-report', '--out', 'borrowed'];
  expect((await runInProcess(dir, ...args)).status).toBe(0);
  const time = new Date(1e12);
  await utimes(join(dir, 'other', 'cross', 'cross-000.jpg'), time, time);
  const { status, stderr } = await runInProcess(dir, ...args, '--update');
  expect(status, stderr).toBe(0);
  expect(stderr).toContain('23 unchanged, 0 added, 1 changed, 0 removed');
  const reducer = (out: string) => readFileSync(join(dir, out, 'reducer.npz'));
  expect(reducer('borrowed').equals(reducer('base'))).toBe(true);
  expect(readRunJson(join(dir, 'borrowed'))).toMatchObject({
    command: 'transform',
    update: { changed: 1, reducer: 'kept' },
  });
  expect(await verifyRun(join(dir, 'borrowed'))).toEqual([]);
});

test('with a network unchanged rows keep their bits, and new ones are those of a fresh run within tolerance', async () => {
  const init = ['model', 'init', 'vgg16', '--seed', '1', '--width', '0.0625'];
  expect((await runInProcess(dir, ...init, '--out', 'models/vgg16')).status).toBe(0);
  const small = { imagesPerClass: 2, minSize: 20, maxSize: 30 };
  await writeDataset(join(dir, 'net'), { seed: 5, ...small });
  const args = ['net', '--mode', 'vgg16', '--layer', 'fc1,fc2', '--batch', '4', '--k', '2'];
  const base = await runInProcess(dir, ...args, '--no-report', '--out', 'net-base');
  expect(base.status, base.stderr).toBe(0);
  await cp(join(dir, 'other', 'ring', 'ring-001.png'), join(dir, 'net', 'ring', 'new.png'));
  await rm(join(dir, 'net', 'cross', 'cross-000.jpg'));
  await cp(join(dir, 'net-base'), join(dir, 'net-up'), { recursive: true });
  const up = await runInProcess(dir, ...args, '--no-report', '--out', 'net-up', '--update');
  expect(up.status, up.stderr).toBe(0);
  expect(up.stdout).toContain('update: 11 unchanged, 1 added, 0 changed, 1 removed');
  await runInProcess(dir, ...args, '--no-report', '--out', 'net-fresh');
  expect(await verifyRun(join(dir, 'net-up'))).toEqual([]);
  const before = byOrigin(readParquetRows(join(dir, 'net-base')));
  const fresh = byOrigin(readParquetRows(join(dir, 'net-fresh')));
  const rows = readParquetRows(join(dir, 'net-up'));
  expect(rows.map(({ origin }) => origin)).toEqual([...fresh.keys()]);
  for (const row of rows) {
    if (row.origin !== 'net/ring/new.png') expect(row).toEqual(before.get(row.origin as string));
    for (const column of ['cnn_vectors_fc1', 'cnn_vectors_fc2']) {
      const expected = fresh.get(row.origin as string)![column] as number[];
      const most = Math.max(...expected.map(Math.abs));
      const worst = (row[column] as number[]).map((value, i) => Math.abs(value - expected[i]!));
      expect(Math.max(...worst) / most).toBeLessThan(1e-5);
    }
  }
}, 120_000);
