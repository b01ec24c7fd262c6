import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { listFiles, runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { skipIf } from '../skip-if.ts';
import { NO_STORE, openTestStore } from './store.ts';

const store = await openTestStore('images', 'tables');

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  if (store === undefined) return;
  ({ dir, remove } = await tempFolder());
  process.env.IMG2FEATURES_CACHE = join(dir, 'cache');
  const drawn = { seed: 3, imagesPerClass: 5, minSize: 20, maxSize: 30, withBroken: false };
  await writeDataset(join(dir, 'dataset'), drawn);
  const names = listFiles(join(dir, 'dataset'));
  for (const name of names) {
    await store.put('images', `data/${name}`, readFileSync(join(dir, 'dataset', name)));
  }
  await store.put('images', 'data/copies/x.png', readFileSync(join(dir, 'dataset', names[0]!)));
  const run = await cli('s3://images/data', '--mode', 'pixels', '--out', 's3://tables/run');
  expect(run.stderr).not.toContain('Warning');
  expect(run.status, run.stderr).toBe(0);
});
afterAll(async () => {
  await remove?.();
  await store?.stop();
});

function cli(...args: string[]) {
  return runInProcess(dir, ...args, '--s3-endpoint', store!.endpoint);
}

async function text(key: string): Promise<string> {
  const { Body } = await store!.client.send(new GetObjectCommand({ Bucket: 'tables', Key: key }));
  return Body!.transformToString();
}

describe('the report of a run in a store', skipIf(store === undefined, NO_STORE), () => {
  test('lies beside the table, and copies are confirmed by their bytes', async () => {
    const keys = await store!.keys('tables', 'run/');
    expect(keys).toEqual(expect.arrayContaining(['run/findings.jsonl', 'run/report.html']));
    expect(await text('run/findings.jsonl')).toContain('"kind":"exact_duplicate"');
  });

  test('can be written again, with pictures fetched from the store; the run stays sound', async () => {
    const before = await text('run/findings.jsonl');
    const run = await cli('report', 's3://tables/run', '--thumbnails', '8');
    expect(run.status, run.stderr).toBe(0);
    expect(await text('run/findings.jsonl')).toBe(before);
    const data = JSON.parse(/id="data">(.*)<\/script>/.exec(await text('run/report.html'))![1]!);
    expect(data.thumbs.kind).toBe('sheets');
    expect(Buffer.from(data.thumbs.points, 'base64').length / 4).toBe(8);
    expect((await cli('verify', 's3://tables/run')).stdout).toContain('is sound');
    expect(await store!.uploads('tables')).toEqual([]);
  });
});
