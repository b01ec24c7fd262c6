import { existsSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { copyFile, link, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { readParquetRows, readRejections } from '../e2e/read-table.ts';
import {
  type CliResult,
  listFiles,
  runInProcess,
  tableHashes,
  tempFolder,
  watchInProcess,
} from '../e2e/run-cli.ts';
import { skipIf } from '../skip-if.ts';
import { smallDisk } from '../small-disk.ts';

/** Links to each drawn image: several shards' worth of chunks. */
const COPIES = 40;

let dir: string;
let remove: () => Promise<void>;
let calm: Record<string, string>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'drawn'), { seed: 3, imagesPerClass: 3, minSize: 20, maxSize: 30 });
  await fill('in');
  const { status, stderr } = await runInProcess(dir, ...command('in', 'calm'));
  expect(status, stderr).toBe(0);
  calm = tableHashes(join(dir, 'calm'));
});
afterAll(() => remove());

async function fill(folder: string): Promise<void> {
  for (const name of listFiles(join(dir, 'drawn'))) {
    const [target, file] = name.split('/') as [string, string];
    await mkdir(join(dir, folder, target), { recursive: true });
    for (let n = 0; n < COPIES; n++) {
      await link(join(dir, 'drawn', name), join(dir, folder, target, `${n}-${file}`));
    }
  }
}

function command(input: string, out: string): string[] {
  const formats = ['--format', 'parquet,json', '--origin', 'relative'];
  return [input, '--mode', 'pixels', '--out', out, '--k', '2', '--workers', '1', ...formats];
}

/** Runs `change` as soon as the list of images is made, before the first is read. */
function changedAfterListing(args: string[], change: () => void): Promise<CliResult> {
  return watchInProcess(dir, [...args, '--log', 'json'], (text) => {
    if (text.includes('"event":"listed"')) change();
  });
}

test('files that vanish or change during a run are rejections, all others rows', async () => {
  await fill('moving');
  const all = listFiles(join(dir, 'moving'));
  // The last ones in the order of rows: none is read yet.
  const [gone, touched, rewritten] = all.slice(-3) as [string, string, string];
  for (const name of [touched, rewritten]) {
    rmSync(join(dir, 'moving', name));
    await copyFile(join(dir, 'in', name), join(dir, 'moving', name));
  }
  const { status, stderr } = await changedAfterListing(command('moving', 'moved'), () => {
    rmSync(join(dir, 'moving', gone));
    utimesSync(join(dir, 'moving', touched), 1, 1);
    writeFileSync(join(dir, 'moving', rewritten), 'something else');
  });
  expect(status, stderr).toBe(1);
  const rejections = readRejections(join(dir, 'moved'));
  expect(rejections.map(({ origin, reason }) => [origin, reason])).toEqual([
    [gone, 'vanished'],
    [touched, 'changed'],
    [rewritten, 'changed'],
  ]);
  expect(readParquetRows(join(dir, 'moved'))).toHaveLength(all.length - 3);
  expect(await verifyRun(join(dir, 'moved'))).toEqual([]);
});

test('an input that is gone as a whole stops the run with one error, and it can be resumed', async () => {
  await fill('disk');
  const args = command('disk', 'survived');
  const first = await changedAfterListing(args, () =>
    renameSync(join(dir, 'disk'), join(dir, 'unplugged')),
  );
  expect(first.status).toBe(2);
  expect(first.stdout).toContain('Expected the input disk for the whole run but found it gone.');
  expect(first.stdout).not.toContain('"rejected","origin"');
  expect(existsSync(join(dir, 'survived', '_SUCCESS'))).toBe(false);
  renameSync(join(dir, 'unplugged'), join(dir, 'disk'));
  const second = await runInProcess(dir, ...args);
  expect(second.status, second.stderr).toBe(0);
  expect(tableHashes(join(dir, 'survived'))['json/part-00000.json']).toBe(
    calm['json/part-00000.json'],
  );
});

test('an empty folder in the place of the input is not taken for it', async () => {
  await fill('mounted');
  await mkdir(join(dir, 'empty'));
  symlinkSync('mounted', join(dir, 'mount'));
  symlinkSync('empty', join(dir, 'other'));
  // One step: between a rename and a mkdir the run could see no folder at all.
  const { status, stdout } = await changedAfterListing(command('mount', 'unmounted'), () =>
    renameSync(join(dir, 'other'), join(dir, 'mount')),
  );
  expect(status).toBe(2);
  expect(stdout).toContain('but found another folder in its place.');
});

// Real file systems, where the tests may mount them.
const disk = smallDisk('600k');

describe(
  'on a small disk that is mounted for it',
  skipIf(!disk.isMounted, 'a small disk cannot be mounted here'),
  () => {
    test('a full disk is one clear error, and with more room the run resumes', async () => {
      const args = command('in', join(disk.path, 'out'));
      const first = await runInProcess(dir, ...args);
      expect(first.status).toBe(2);
      expect(first.stderr).toMatch(/^.*Expected to write .+ but found a full disk \(ENOSPC\)\.$/m);
      expect(first.stderr).not.toMatch(/\n\s+at /);
      expect(existsSync(join(disk.path, 'out', '_SUCCESS'))).toBe(false);
      disk.remount('size=64m');
      const second = await runInProcess(dir, ...args);
      expect(second.status, second.stderr).toBe(0);
      expect(await verifyRun(join(disk.path, 'out'))).toEqual([]);
      expect(tableHashes(join(disk.path, 'out'))).toEqual(calm);
    });

    test('a read-only disk is one clear error before anything is computed', async () => {
      disk.remount('ro');
      try {
        const { status, stderr } = await runInProcess(
          dir,
          ...command('in', join(disk.path, 'other')),
        );
        expect(status).toBe(2);
        expect(stderr).toMatch(/found a read-only file system \(EROFS\)/);
        expect(stderr).not.toMatch(/\n\s+at /);
      } finally {
        disk.remount('rw');
      }
    });

    test('a disk that turns read-only during a run is one clear error, and the run resumes', async () => {
      const args = command('in', join(disk.path, 'turned'));
      const first = await changedAfterListing(args, () => {
        for (let tries = 0; tries < 200; tries++) if (disk.remount('ro')) return;
      });
      disk.remount('rw');
      // A file being written keeps the disk writable: then the run was whole.
      if (first.status !== 0) {
        expect(first.status).toBe(2);
        expect(first.stdout).toContain('found a read-only file system (EROFS)');
      }
      const second = await runInProcess(dir, ...args);
      expect(second.status, second.stderr).toBe(0);
      expect(tableHashes(join(disk.path, 'turned'))).toEqual(calm);
    });
  },
);
