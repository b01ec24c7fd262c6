import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
// Threads start from the build.
import * as built from '../../dist/index.js';
import { writeDataset } from '../../src/demo/draw-images.ts';
import type * as api from '../../src/index.ts';
import { NO_STORE, openTestStore } from '../s3/store.ts';
import { skipIf } from '../skip-if.ts';

const { extractBatches } = built as unknown as typeof api;

const store = await openTestStore('pictures');
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'library-s3-'));
  const drawn = { seed: 1, imagesPerClass: 6, minSize: 20, maxSize: 40, withBroken: false };
  await writeDataset(dir, drawn);
  for (const name of await readdir(dir, { recursive: true })) {
    if (name.includes('.'))
      await store?.put('pictures', `set/${name}`, await readFile(join(dir, name)));
  }
});

afterAll(async () => {
  await store?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function vectorsOf(options: api.FeatureOptions): Promise<[string, number[]][]> {
  const rows: [string, number[]][] = [];
  for await (const batch of extractBatches(options)) {
    for (const { origin, vectors } of batch) rows.push([origin, [...vectors.toArray()]]);
  }
  return rows;
}

test('a bucket gives the rows of the same folder on a disk', skipIf(!store, NO_STORE), async () => {
  const there = { input: 's3://pictures/set', s3Endpoint: store!.endpoint };
  const rows = await vectorsOf({ ...there, mode: 'pixels', origin: 'relative' });
  expect(rows).toEqual(await vectorsOf({ input: dir, mode: 'pixels', origin: 'relative' }));
  expect(rows.length).toBeGreaterThan(20);
});

test('leaving the loop ends the requests', {
  timeout: 10_000,
  ...skipIf(!store, NO_STORE),
}, async () => {
  const there = { input: 's3://pictures/set', s3Endpoint: store!.endpoint };
  for await (const { numRows } of extractBatches({ ...there, mode: 'pixels' })) {
    expect(numRows).toBeGreaterThan(20);
    break;
  }
  const failing = { ...there, input: 's3://nowhere/set' };
  await expect(vectorsOf({ ...failing, mode: 'pixels' })).rejects.toMatchObject({ tag: 'source' });
});
