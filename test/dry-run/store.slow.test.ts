import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runInProcess } from '../e2e/run-cli.ts';
import { NO_STORE, openTestStore } from '../s3/store.ts';
import { skipIf } from '../skip-if.ts';
import { solidPng } from './solid-png.ts';

const store = await openTestStore('images');
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'img2features-dry-run-'));
  vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'cache'));
});
afterAll(async () => {
  await store?.stop();
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

test(
  'a bucket is listed, a few objects are looked into, and nothing is written there',
  skipIf(!store, NO_STORE),
  async () => {
    await store!.put('images', 'set/red/1.png', solidPng(20, 10, [200, 0, 0]));
    await store!.put('images', 'set/blue/2.png', solidPng(20, 10, [0, 0, 200]));
    const before = await store!.keys('images');
    const { stdout, status } = await runInProcess(
      dir,
      's3://images/set',
      '--mode',
      'pixels',
      '--out',
      's3://images/out',
      '--dry-run',
      '--s3-endpoint',
      store!.endpoint,
    );
    expect(status).toBe(0);
    expect(stdout).toContain('s3://images/set: 2 images');
    expect(stdout).toContain('of 2 looked into: png 2');
    expect(stdout).toContain('That time does not include fetching from the store.');
    expect(await store!.keys('images')).toEqual(before);
  },
);
