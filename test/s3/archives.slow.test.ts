import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { writeZip } from '../convert/write-zip.ts';
import { readJsonRows } from '../e2e/read-table.ts';
import { listFiles, runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { skipIf } from '../skip-if.ts';
import { TAR_END, writeTar } from '../source/archive/write-tar.ts';
import { parquetImages } from '../source/parquet/parquet-images.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { NO_STORE, openTestStore } from './store.ts';

const store = await openTestStore('images');
let dir: string;
let remove: () => Promise<void>;
let tar: Buffer;

beforeAll(async () => {
  if (store === undefined) return;
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'in'), { seed: 3, imagesPerClass: 3, minSize: 12, maxSize: 40 });
  const members = listFiles(join(dir, 'in')).map((name) => ({
    name,
    content: readFileSync(join(dir, 'in', name)),
  }));
  const half = members.length >> 1;
  tar = Buffer.concat([writeTar(members), TAR_END]);
  const shard = (i: number) => writeTar(i === 0 ? members.slice(0, half) : members.slice(half));
  // The last member has a name longer than what is read beside its content.
  const long = { name: `${'x'.repeat(120)}.png`, content: members[0].content, isPacked: true };
  await store.put('images', 'sets/a+b.tar', tar);
  await store.put('images', 'sets/shard-0.tar', Buffer.concat([shard(0), TAR_END]));
  await store.put('images', 'sets/shard-1.tar', Buffer.concat([shard(1), TAR_END]));
  await store.put('images', 'sets/all.zip', writeZip([...members, long]));
  await store.put('images', 'sets/all.tar.gz', gzipSync(tar));
  const rows = members.map(({ content }, i) => ({ bytes: content, label: i % 2 }));
  const table = (some: typeof rows) => parquetImages(some, { groupRows: 4, names: ['a', 'b'] });
  await store.put('images', 'data/train-0.parquet', table(rows.slice(0, half)));
  await store.put('images', 'data/train-1.parquet', table(rows.slice(half)));
  await store.put('images', 'data/test-0.parquet', table(rows.slice(0, 3)));
});
afterAll(async () => {
  await remove?.();
  await store?.stop();
});

async function extract(input: string, out: string, endpoint = store!.endpoint) {
  const args = ['--mode', 'pixels', '--k', '1', '--format', 'json', '--no-report'];
  return runInProcess(dir, input, ...args, '--out', out, '--s3-endpoint', endpoint);
}

const rowsOf = (out: string, prefix: RegExp) =>
  readJsonRows(join(dir, out)).map(({ origin, target, vectors }) => ({
    origin: String(origin).replace(prefix, ''),
    target,
    vectors,
  }));

describe('archives in a store', skipIf(store === undefined, NO_STORE), () => {
  test('give the rows of the folder, read by the ranges of their members', async () => {
    vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'cache'));
    expect((await extract('in', 'folder')).status).toBe(0);
    const expected = rowsOf('folder', /^in\//);
    const inputs = {
      tar: 's3://images/sets/a+b.tar',
      shards: 's3://images/sets/shard-{0..1}.tar',
      star: 's3://images/sets/shard-*.tar',
      gzip: 's3://images/sets/all.tar.gz',
      zip: 's3://images/sets/all.zip',
    };
    for (const [out, input] of Object.entries(inputs)) {
      const { status, stderr } = await extract(input, out);
      expect(status, stderr).toBe(0);
      const rows = rowsOf(out, /^s3:\/\/images\/sets\/[^/]+\//);
      if (out === 'zip')
        expect(rows.pop()).toMatchObject({ target: 'all', vectors: expected[0].vectors });
      expect(rows, out).toEqual(expected);
    }
    vi.unstubAllEnvs();
  });

  test('Parquet files give the rows of the folder; each end is read once', async () => {
    const requests: string[] = [];
    const proxy = await startFaultProxy(store!.endpoint, ({ method, url }) => {
      if (method === 'GET' && /train-\d\.parquet/.test(url)) requests.push(url);
      return undefined;
    });
    expect((await extract('in', 'images')).status).toBe(0);
    const { status, stderr } = await extract(
      's3://images/data/train-*.parquet',
      'rows',
      proxy.endpoint,
    );
    await proxy.close();
    expect(status, stderr).toBe(0);
    const expected = rowsOf('images', /^in\//);
    const rows = rowsOf('rows', /^s3:\/\/images\/data\//);
    expect(rows.map(({ vectors }) => vectors)).toEqual(expected.map(({ vectors }) => vectors));
    const half = expected.length >> 1;
    expect(rows.map(({ origin }) => origin)).toEqual(
      rows.map((_, i) =>
        i < half
          ? `train-0.parquet#${String(i).padStart(9, '0')}`
          : `train-1.parquet#${String(i - half).padStart(9, '0')}`,
      ),
    );
    expect(rows.map(({ target }) => target)).toEqual(expected.map((_, i) => 'ab'[i % 2]));
    // Of each file: is it there, three parts of its end, the labels, and the rows, which one window holds.
    expect(requests.length).toBe(2 * 6);
  });

  test('long members of a tar come once: between their headers nothing is read', async () => {
    const name = listFiles(join(dir, 'in')).find((one) => one.endsWith('.jpg'))!;
    // What follows the end of a JPEG is not looked at.
    const content = Buffer.concat([readFileSync(join(dir, 'in', name)), Buffer.alloc(1_500_000)]);
    const long = Array.from({ length: 4 }, (_, i) => ({ name: `a/${i}.jpg`, content }));
    await store!.put('images', 'sets/long.tar', Buffer.concat([writeTar(long), TAR_END]));
    let bytes = 0;
    const proxy = await startFaultProxy(store!.endpoint, ({ range }) => {
      const [, from, last] = /bytes=(\d+)-(\d+)/.exec(range ?? '') ?? [];
      if (last !== undefined) bytes += Number(last) - Number(from) + 1;
      return undefined;
    });
    const { status, stderr } = await extract('s3://images/sets/long.tar', 'long', proxy.endpoint);
    await proxy.close();
    expect(status, stderr).toBe(0);
    // The first window is a whole one.
    expect(bytes).toBeGreaterThan(4 * content.length);
    expect(bytes).toBeLessThan(4 * content.length + (1 << 20) + 5 * (16 << 10));
  });

  test('that are missing or damaged are refused by name', async () => {
    const missing = await extract('s3://images/sets/shard-{0..2}.tar', 'missing');
    expect(missing.stderr).toContain(
      'an archive at s3://images/sets/shard-2.tar but found no object',
    );
    await store!.put('images', 'sets/cut.tar', tar.subarray(0, tar.length - 3000));
    const cut = await extract('s3://images/sets/cut.tar', 'cut');
    expect(cut.stderr).toContain('Expected a whole archive in s3://images/sets/cut.tar');
    const none = await extract('s3://images/sets/x-*.tar', 'none');
    expect(none.stderr).toContain('files like s3://images/sets/x-*.tar but found none');
    expect([missing.status, cut.status, none.status]).toEqual([2, 2, 2]);
  });
});
