import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CopyObjectCommand, DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { type CliResult, listFiles, runInProcess, startCli, tempFolder } from '../e2e/run-cli.ts';
import { skipIf } from '../skip-if.ts';
import { type Seen, startFaultProxy } from './fault-proxy.ts';
import { NO_STORE, openTestStore } from './store.ts';

const store = await openTestStore('images', 'tables');

let dir: string;
let remove: () => Promise<void>;
/** Images of another look, by number. */
let others: Buffer[];

beforeAll(async () => {
  if (store === undefined) return;
  ({ dir, remove } = await tempFolder());
  process.env.IMG2FEATURES_CACHE = join(dir, 'cache');
  const drawn = { seed: 3, imagesPerClass: 3, minSize: 20, maxSize: 30, withBroken: true };
  await writeDataset(join(dir, 'in'), drawn);
  await writeDataset(join(dir, 'other'), { ...drawn, seed: 4, withBroken: false });
  const names = listFiles(join(dir, 'other')).filter((name) => name.endsWith('.png'));
  others = names.map((name) => readFileSync(join(dir, 'other', name)));
});
afterAll(async () => {
  await remove?.();
  await store?.stop();
});

/** Puts the drawn images below a prefix, and makes a finished run of them. */
async function finishedRun(name: string, endpoint = store!.endpoint): Promise<void> {
  for (const file of listFiles(join(dir, 'in'))) {
    await store!.put('images', `${name}/${file}`, readFileSync(join(dir, 'in', file)));
  }
  const { status, stdout, stderr } = await extract(endpoint, name);
  expect(stdout, stderr).toContain(`Table in s3://tables/${name}`);
  expect(status, stderr).toBe(1); // the broken one is rejected
}

async function change(name: string): Promise<void> {
  await store!.put('images', `${name}/circle/aaa.png`, others[0]!);
  await store!.put('images', `${name}/ring/ring-001.png`, others[1]!);
  const Key = `${name}/square/square-000.jpg`;
  await store!.client.send(new DeleteObjectCommand({ Bucket: 'images', Key }));
}

function command(endpoint: string, name: string, ...more: string[]): string[] {
  const formats = ['--mode', 'pixels', '--format', 'parquet,json,csv', '--k', '2', '--no-report'];
  const reach = ['--s3-endpoint', endpoint, '--s3-timeout', '1', '--origin', 'relative'];
  return [`s3://images/${name}`, ...formats, '--out', `s3://tables/${name}`, ...reach, ...more];
}

function extract(endpoint: string, name: string, ...more: string[]): Promise<CliResult> {
  return runInProcess(dir, ...command(endpoint, name, ...more));
}

/** SHA-256 of every file of a table, less those that tell times. */
async function hashes(name: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const Key of await store!.keys('tables', `${name}/`)) {
    const file = Key.slice(name.length + 1);
    if (['run.json', '_SUCCESS'].includes(file)) continue;
    const { Body } = await store!.client.send(new GetObjectCommand({ Bucket: 'tables', Key }));
    const bytes = await Body!.transformToByteArray();
    found[file] = createHash('sha256').update(bytes).digest('hex');
  }
  return found;
}

async function expectSound(name: string): Promise<void> {
  const reach = ['--s3-endpoint', store!.endpoint];
  const { stdout } = await runInProcess(dir, 'verify', `s3://tables/${name}`, ...reach);
  expect(stdout).toBe(`s3://tables/${name} is sound.\n`);
}

const COUNTS = '16 unchanged, 1 added, 1 changed, 1 removed, 1 rejected before and unchanged';

describe('a table in S3 of images in S3', skipIf(store === undefined, NO_STORE), () => {
  test('is brought up to date by ETags; refitted, it is that of a fresh run', async () => {
    await finishedRun('plain');
    const same = await extract(store!.endpoint, 'plain', '--update');
    expect(same.status, same.stderr).toBe(0);
    expect(same.stdout).toContain('Nothing changed: 18 unchanged');
    await change('plain');
    const { status, stdout, stderr } = await extract(store!.endpoint, 'plain', '--update');
    expect(status, stderr).toBe(1);
    expect(stdout).toContain(`update: ${COUNTS}; scaler and PCA kept`);
    await expectSound('plain');
    await extract(store!.endpoint, 'plain', '--update', '--refit');
    await expectSound('plain');
    const refitted = await hashes('plain');
    await extract(store!.endpoint, 'plain', '--overwrite');
    expect(refitted).toEqual(await hashes('plain'));
    expect(await store!.uploads('tables')).toEqual([]);
  });

  test('an object put again with the same bytes is unchanged, as its ETag is', async () => {
    await finishedRun('again');
    const Key = 'again/ring/ring-000.jpg';
    const copy = {
      Bucket: 'images',
      Key,
      CopySource: `images/${Key}`,
      MetadataDirective: 'REPLACE',
    };
    await store!.client.send(new CopyObjectCommand({ ...copy, Metadata: { again: '1' } } as never));
    const { stdout } = await extract(store!.endpoint, 'again', '--update');
    expect(stdout).toContain('Nothing changed: 18 unchanged');
  });

  const MOMENTS = {
    image: ({ url }: Seen) => url.includes('/ring/ring-001.png'),
    end: ({ method, url }: Seen) => method === 'DELETE' && url.includes('_SUCCESS'),
    table: ({ method, url }: Seen) => method === 'PUT' && url.includes('/reducer.npz'),
  };

  /** Updates a run and kills it at its first request of a kind, and keeps the proxy, for the next start. */
  async function killedUpdate(name: string, at: (seen: Seen) => boolean) {
    let child: ReturnType<typeof startCli>['child'] | undefined;
    const proxy = await startFaultProxy(store!.endpoint, (seen) => {
      if (child === undefined || child.killed || !at(seen)) return undefined;
      child.kill('SIGKILL');
      return 'silence';
    });
    await finishedRun(name, proxy.endpoint);
    const old = await hashes(name);
    await change(name);
    const started = startCli(dir, ...command(proxy.endpoint, name, '--update'));
    child = started.child;
    await started.finished;
    expect(child.killed).toBe(true);
    return { proxy, old };
  }

  test.each([
    { moment: 'image', isWhole: true },
    { moment: 'end', isWhole: true },
    { moment: 'table', isWhole: false },
  ] as const)(
    'killed at its $moment it resumes to the bytes of an undisturbed update',
    async ({ moment, isWhole }) => {
      const name = `killed-${moment}`;
      const { proxy, old } = await killedUpdate(name, MOMENTS[moment]);
      try {
        expect(await store!.keys('tables', `${name}/_SUCCESS`)).toHaveLength(isWhole ? 1 : 0);
        if (isWhole) expect(await hashes(name)).toEqual(old);
        else {
          const plain = await extract(proxy.endpoint, name);
          expect(plain.status).toBe(2);
          expect(plain.stderr).toContain('Give --update to resume it');
        }
        const { status, stdout, stderr } = await extract(proxy.endpoint, name, '--update');
        expect(status, stderr).toBe(1);
        expect(stdout).toContain(COUNTS);
        await expectSound(name);
        const resumed = await hashes(name);
        expect(resumed['reducer.npz']).toBe(old['reducer.npz']);
        const transform = ['transform', `s3://images/${name}`, '--with', `s3://tables/${name}`];
        const formats = ['--format', 'parquet,json,csv', '--no-report', '--origin', 'relative'];
        const out = ['--out', `s3://tables/${name}-calm`, '--s3-endpoint', store!.endpoint];
        await runInProcess(dir, ...transform, ...formats, ...out);
        const calm = await hashes(`${name}-calm`);
        // The footer of Parquet names the borrowed reducer; all else is the same.
        for (const file of Object.keys(calm).filter((file) => !file.startsWith('parquet/'))) {
          expect([file, resumed[file]]).toEqual([file, calm[file]]);
        }
      } finally {
        await proxy.close();
      }
    },
  );

  test('when the images change once more while its table is half replaced, it is ended as it began', async () => {
    const { proxy } = await killedUpdate('twice', MOMENTS.table);
    try {
      await store!.put('images', 'twice/circle/bbb.png', others[2]!);
      const { status, stdout, stderr } = await extract(proxy.endpoint, 'twice', '--update');
      expect(status, stderr).toBe(1);
      expect(stderr).toContain('give the same command again for what changed since');
      expect(stdout).toContain(COUNTS);
      await expectSound('twice');
      const last = await extract(proxy.endpoint, 'twice', '--update');
      expect(last.stdout).toContain('update: 18 unchanged, 1 added, 0 changed, 0 removed');
      await expectSound('twice');
    } finally {
      await proxy.close();
    }
  });
});
