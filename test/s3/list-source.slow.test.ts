import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { readJsonRows, readRejections } from '../e2e/read-table.ts';
import { type CliResult, runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { skipIf } from '../skip-if.ts';
import { NO_STORE, openTestStore } from './store.ts';

const store = await openTestStore('images', 'more');

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  if (store === undefined) return;
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'in'), { seed: 3, imagesPerClass: 2, minSize: 12, maxSize: 20 });
  const put = (bucket: string, key: string, name: string) =>
    store.put(bucket, key, readFileSync(join(dir, 'in', name)));
  await put('images', 'a/one +%41.jpg', 'ring/ring-000.jpg');
  await put('more', 'a/one +%41.jpg', 'ring/ring-001.png');
});
afterAll(async () => {
  await remove?.();
  await store?.stop();
});

function extract(list: string, out: string, ...more: string[]): Promise<CliResult> {
  const args = ['--mode', 'pixels', '--k', '1', '--format', 'json', '--no-report'];
  return runInProcess(dir, list, ...args, '--out', out, '--s3-endpoint', store!.endpoint, ...more);
}

function writeList(name: string, ...lines: string[]): string {
  writeFileSync(join(dir, name), `${lines.join('\n')}\n`);
  return name;
}

describe('a list of files and objects', skipIf(store === undefined, NO_STORE), () => {
  test('mixes paths and objects of several buckets; what is missing is a rejection', async () => {
    const list = writeList(
      'mixed.txt',
      'in/ring/ring-000.jpg',
      's3://images/a/one +%41.jpg',
      '{"path": "s3a://more/a/one +%41.jpg", "target": "named"}',
      's3://images/a/none.jpg',
      's3://images/a/',
      'in/ring/none.jpg',
    );
    const { status, stderr } = await extract(list, 'mixed');
    expect(status, stderr).toBe(1);
    const rows = readJsonRows(join(dir, 'mixed'));
    expect(rows.map(({ origin, target }) => [origin, target])).toEqual([
      ['in/ring/ring-000.jpg', 'ring'],
      ['s3://images/a/one +%41.jpg', 'a'],
      ['s3://more/a/one +%41.jpg', 'named'],
    ]);
    // The same bytes, from the disk and from the store.
    expect(rows[1]!.vectors).toEqual(rows[0]!.vectors);
    expect(
      readRejections(join(dir, 'mixed')).map(({ origin, reason }) => [origin, reason]),
    ).toEqual([
      ['in/ring/none.jpg', 'vanished'],
      ['s3://images/a/', 'not_a_file'],
      ['s3://images/a/none.jpg', 'vanished'],
    ]);
  });

  test('is updated by the ETags of its objects', async () => {
    const list = writeList('etags.txt', 'in/ring/ring-000.jpg', 's3://more/b.png');
    await store!.put('more', 'b.png', readFileSync(join(dir, 'in/cross/cross-001.png')));
    expect((await extract(list, 'etags')).status).toBe(0);
    const same = await extract(list, 'etags', '--update');
    expect(same.stdout).toContain('Nothing changed: 2 unchanged');
    await store!.put('more', 'b.png', readFileSync(join(dir, 'in/ring/ring-001.png')));
    const { stdout, stderr } = await extract(list, 'etags', '--update');
    expect(stdout, stderr).toContain('update: 1 unchanged, 0 added, 1 changed, 0 removed');
  });

  test('a bucket that does not exist is one clear error, not a list of missing images', async () => {
    const list = writeList(
      'nowhere.txt',
      's3://images/a/one +%41.jpg',
      's3://nowhere-at-all/a.jpg',
    );
    const { status, stderr } = await extract(list, 'nowhere');
    expect(status).toBe(2);
    expect(stderr).toMatch(/nowhere-at-all/);
    expect(stderr).toMatch(/bucket/);
  });
});
