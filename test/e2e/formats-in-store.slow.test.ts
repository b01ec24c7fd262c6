/** NumPy and Feather in a store, through the whole command. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { NO_STORE, openTestStore } from '../s3/store.ts';
import { skipIf } from '../skip-if.ts';
import { runInProcess, tempFolder } from './run-cli.ts';

const store = await openTestStore('tables');

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const drawn = { seed: 3, imagesPerClass: 4, minSize: 12, maxSize: 40, withBroken: true };
  await writeDataset(join(dir, 'dataset'), drawn);
});
afterAll(async () => {
  await remove();
  await store?.stop();
});

describe('in a store', skipIf(!store, NO_STORE), () => {
  test('they appear with _SUCCESS, and verify reads them there', async () => {
    const s3 = ['--s3-endpoint', store!.endpoint];
    const args = ['dataset', '--mode', 'pixels', '--out', 's3://tables/run', '--k', '5'];
    args.push('--format', 'npy,feather', '--work-dir', 'state');
    const { status } = await runInProcess(dir, ...args, ...s3);
    expect(status).toBe(1); // the broken image
    expect(await store!.keys('tables', 'run/npy')).toEqual([
      'run/npy/index.jsonl',
      'run/npy/vectors.npy',
      'run/npy/vectors_redux.npy',
    ]);
    expect(await store!.keys('tables', 'run/feather')).toEqual(['run/feather/part-00000.feather']);
    const { stdout } = await runInProcess(dir, 'verify', 's3://tables/run', ...s3);
    expect(stdout).toBe('s3://tables/run is sound.\n');
  });
});
