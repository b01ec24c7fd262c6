/** `--shard` and `merge`: several jobs make the table that one run makes. */
import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CliResult, runInProcess, tableHashes, tempFolder } from './run-cli.ts';

/** A shard has 4,096 images of pixels: two shards. */
const IMAGES = 4100;

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  for (let i = 0; i < 50; i++) {
    const [width, height] = [3 + (i % 7), 3 + (i % 5)];
    const data = Buffer.from(
      Array.from({ length: width * height * 3 }, (_, j) => (i * 37 + j * 11) % 256),
    );
    await sharp(data, { raw: { width, height, channels: 3 } })
      .jpeg()
      .toFile(join(dir, `${i}.jpg`));
  }
  for (const name of ['a', 'b']) mkdirSync(join(dir, 'dataset', name), { recursive: true });
  for (let i = 0; i < IMAGES; i++) {
    const name = `${i % 2 === 0 ? 'a' : 'b'}/${i}.jpg`;
    linkSync(join(dir, `${(i * 7) % 50}.jpg`), join(dir, 'dataset', name));
  }
  writeFileSync(join(dir, 'dataset/a/broken.jpg'), 'no image');
  writeFileSync(join(dir, 'dataset/b/notes.txt'), 'no image either');
  writeFileSync(join(dir, 'dataset/b/z-empty.jpg'), '');
});
afterAll(() => remove());

function extract(out: string, ...more: string[]): Promise<CliResult> {
  const options = ['--mode', 'pixels', '--k', '3', '--format', 'parquet,csv'];
  return runInProcess(dir, 'dataset', '--out', out, ...options, ...more);
}

function merge(out: string, ...outs: string[]): Promise<CliResult> {
  return runInProcess(dir, 'merge', ...outs, '--out', out);
}

test('three jobs make the bytes and the counts of one run, one of them without an image', async () => {
  expect((await extract('single')).status).toBe(1);
  const ended: CliResult[] = [];
  for (const i of [1, 2, 3]) ended.push(await extract(`out-${i}`, '--shard', `${i}/3`));
  expect(ended.map(({ status, stderr }) => [status, stderr.includes('Error')])).toEqual([
    [1, false],
    [1, false],
    [0, false],
  ]);
  const merged = await merge('merged', 'out-1', 'out-2', 'out-3');
  expect(merged.stdout).toContain('4,100 rows, 2 rejected, of 4,102 images');
  expect(tableHashes(join(dir, 'merged'))).toEqual(tableHashes(join(dir, 'single')));
});
