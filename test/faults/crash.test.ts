import { readdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { readParquetRows, readRejections } from '../e2e/read-table.ts';
import { type CliResult, listFiles, startCli, tempFolder } from '../e2e/run-cli.ts';

const preload = join(import.meta.dirname, 'segfault-on-open.cjs');

let dir: string;
let remove: () => Promise<void>;
let images: string[];

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'in'), { seed: 7, imagesPerClass: 4, minSize: 20, maxSize: 30 });
  images = listFiles(join(dir, 'in')).map((name) => `in/${name}`);
  const [first, , , last] = images as [string, string, string, string];
  await copyFile(join(dir, first), join(dir, 'in/segfault.jpg'));
  await copyFile(join(dir, last), join(dir, 'in/circle/segfault.png'));
});
afterAll(() => remove());

function run(): Promise<CliResult> {
  process.env.NODE_OPTIONS = `--require=${preload}`;
  try {
    const args = ['in', '--mode', 'pixels', '--out', 'out', '--k', '2', '--workers', '2'];
    return startCli(dir, ...args).finished;
  } finally {
    delete process.env.NODE_OPTIONS;
  }
}

test('an image that crashes the process is rejected by the next start, and no other one', async () => {
  // Each attempt may meet one of the two only: the other one waits behind it.
  const statuses: (number | null)[] = [];
  let last: CliResult;
  do {
    last = await run();
    statuses.push(last.status);
  } while (last.status === null && statuses.length < 4);
  expect(last.status, last.stderr).toBe(1);
  expect(statuses.length).toBeGreaterThan(1);
  expect(statuses.slice(0, -1).every((status) => status === null)).toBe(true);
  expect(last.stderr).toMatch(/trying them in a process of their own/);

  const crashed = ['in/circle/segfault.png', 'in/segfault.jpg'];
  const message =
    'Expected an image that can be decoded but found one that ends its decoder (SIGSEGV).';
  expect(readRejections(join(dir, 'out'))).toEqual(
    crashed.map((origin) => ({ origin, reason: 'crashed', message })),
  );
  expect(readParquetRows(join(dir, 'out')).map(({ origin }) => origin)).toEqual(images);
  // A run that ended well leaves nobody under suspicion.
  const left = readdirSync(join(dir, 'out', '.img2features'));
  expect(left.filter((name) => name.startsWith('decoding-'))).toEqual([]);
});
