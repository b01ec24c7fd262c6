import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { type CliResult, listFiles, runInProcess, startCli, tempFolder } from '../e2e/run-cli.ts';
import { skipIf } from '../skip-if.ts';
import { type Fault, type Seen, startFaultProxy } from './fault-proxy.ts';
import { NO_STORE, openTestStore } from './store.ts';

const store = await openTestStore('images', 'tables');

/** Copies of each drawn image: enough rows for tables that go up in parts. */
const COPIES = 20;

let dir: string;
let remove: () => Promise<void>;
let direct: Record<string, string>;

beforeAll(async () => {
  if (store === undefined) return;
  ({ dir, remove } = await tempFolder());
  process.env.IMG2FEATURES_CACHE = join(dir, 'cache');
  const drawn = { seed: 3, imagesPerClass: 5, minSize: 20, maxSize: 30, withBroken: true };
  await writeDataset(join(dir, 'dataset'), drawn);
  const puts = listFiles(join(dir, 'dataset')).flatMap((name) => {
    const body = readFileSync(join(dir, 'dataset', name));
    const [folder, file] = name.split('/');
    return Array.from({ length: COPIES }, (_, i) => ({
      key: `dataset/${folder}/${i}+${file}`,
      body,
    }));
  });
  for (let i = 0; i < puts.length; i += 32) {
    await Promise.all(puts.slice(i, i + 32).map(({ key, body }) => store.put('images', key, body)));
  }
  const { status, stdout, stderr } = await extract(store.endpoint, 's3://tables/direct');
  expect(stdout, stderr).toContain('Table in s3://tables/direct');
  expect(stderr).not.toContain('Warning');
  expect(status, stderr).toBe(1); // the broken ones are rejected
  direct = await hashes('direct/');
});
afterAll(async () => {
  await remove?.();
  await store?.stop();
});

function command(endpoint: string, out: string, ...more: string[]): string[] {
  const reach = ['--s3-endpoint', endpoint, '--s3-timeout', '1'];
  const formats = ['--format', 'parquet,json,csv'];
  return ['s3://images/dataset', '--mode', 'pixels', '--out', out, ...formats, ...reach, ...more];
}

function extract(endpoint: string, out: string, ...more: string[]): Promise<CliResult> {
  return runInProcess(dir, ...command(endpoint, out, ...more));
}

/** SHA-256 of every file below a prefix, less those that tell times. */
async function hashes(prefix: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const Key of await store!.keys('tables', prefix)) {
    const name = Key.slice(prefix.length);
    if (['run.json', 'report.html', '_SUCCESS'].includes(name)) continue;
    const { Body } = await store!.client.send(new GetObjectCommand({ Bucket: 'tables', Key }));
    const bytes = await Body!.transformToByteArray();
    found[name] = createHash('sha256').update(bytes).digest('hex');
  }
  return found;
}

describe('s3 -> s3', skipIf(store === undefined, NO_STORE), () => {
  test('the table is there, _SUCCESS with it, and nothing is left half done', async () => {
    expect((await store!.keys('tables', 'direct/')).sort()).toEqual([
      'direct/_SUCCESS',
      'direct/csv/features.csv',
      'direct/findings.jsonl',
      'direct/json/part-00000.json',
      'direct/parquet/part-00000.parquet',
      'direct/reducer.npz',
      'direct/rejected.jsonl',
      'direct/report.html',
      'direct/run.json',
    ]);
    expect(await store!.uploads('tables')).toEqual([]);
  });

  test('verify reads it there and finds it sound', async () => {
    const reach = ['--s3-endpoint', store!.endpoint];
    const { status, stdout, stderr } = await runInProcess(
      dir,
      'verify',
      's3://tables/direct',
      ...reach,
    );
    expect(status, stdout + stderr).toBe(0);
    expect(stdout).toBe('s3://tables/direct is sound.\n');
    const missing = await runInProcess(dir, 'verify', 's3://tables/nothing', ...reach);
    expect(missing.status).toBe(2);
    expect(missing.stdout).toContain('_SUCCESS is missing');
  });

  test('transform takes its reducer from there', async () => {
    const reach = ['--s3-endpoint', store!.endpoint];
    const run = ['transform', 'dataset', '--with', 's3a://tables/direct', '--out', 'transformed'];
    const { status, stderr } = await runInProcess(dir, ...run, '--format', 'csv', ...reach);
    expect(status, stderr).toBe(1);
    const Key = 'direct/csv/features.csv';
    const { Body } = await store!.client.send(new GetObjectCommand({ Bucket: 'tables', Key }));
    const fitted = new Set((await Body!.transformToString()).split('\n').map(withoutOrigin));
    const lines = readFileSync(join(dir, 'transformed/csv/features.csv'), 'utf8').split('\n');
    expect(lines.length).toBeGreaterThan(20);
    for (const line of lines) expect(fitted).toContain(withoutOrigin(line));
  });

  test('starting again finds it complete, by the state in the cache folder', async () => {
    const { status, stdout, stderr } = await extract(store!.endpoint, 's3a://tables/direct/');
    expect(status, stderr).toBe(1);
    expect(stdout).toContain('Already complete');
    expect(stderr).toContain(`State of this run, which resuming needs: ${join(dir, 'cache')}`);
  });

  test('the same images from a folder give the same bytes, where origins are relative', async () => {
    const { put, endpoint } = store!;
    for (const name of listFiles(join(dir, 'dataset'))) {
      await put('images', `plain/${name}`, readFileSync(join(dir, 'dataset', name)));
    }
    const options = ['--mode', 'pixels', '--format', 'parquet,json,csv', '--origin', 'relative'];
    await runInProcess(dir, 'dataset', ...options, '--out', 'local');
    const store3 = ['--s3-endpoint', endpoint, '--work-dir', 'states'];
    await runInProcess(
      dir,
      's3://images/plain',
      ...options,
      ...store3,
      '--out',
      's3://tables/plain',
    );
    const local: Record<string, string> = {};
    for (const name of Object.keys(direct)) {
      const bytes = readFileSync(join(dir, 'local', name));
      local[name] = createHash('sha256').update(bytes).digest('hex');
    }
    expect(await hashes('plain/')).toEqual(local);
    expect(readdirSync(join(dir, 'states'))).toHaveLength(1);
  });

  test('through a line with faults of all kinds the bytes are the same', async () => {
    const proxy = await startFaultProxy(store!.endpoint, seededFaults(7));
    try {
      const { status, stderr } = await extract(proxy.endpoint, 's3://tables/faulty');
      expect(status, stderr).toBe(1);
      expect(new Set(proxy.done).size).toBeGreaterThanOrEqual(10);
    } finally {
      await proxy.close();
    }
    expect(await hashes('faulty/')).toEqual(direct);
  });

  test.each([
    { moment: 'the first image', at: ({ url }: Seen) => url.includes('/images/dataset/ring/') },
    { moment: 'the first upload', at: ({ url }: Seen) => url.includes('partNumber=') },
    {
      moment: 'the moment of publishing',
      at: ({ method, url }: Seen) => method === 'POST' && /\?uploadId=/.test(url),
    },
  ])(
    'killed at $moment it shows nothing torn, and resumes to the same bytes',
    async ({ moment, at }) => {
      const prefix = `killed-${moment.replaceAll(' ', '-')}/`;
      let child: ReturnType<typeof startCli>['child'] | undefined;
      const proxy = await startFaultProxy(store!.endpoint, (seen) => {
        if (child?.killed || !at(seen)) return undefined;
        child?.kill('SIGKILL');
        return 'silence';
      });
      try {
        const started = startCli(dir, ...command(proxy.endpoint, `s3://tables/${prefix}`));
        child = started.child;
        await started.finished;
        expect(child.killed).toBe(true);
        const visible = await hashes(prefix);
        // Files appear one by one at the very end, each whole, and _SUCCESS after all of them.
        if (moment === 'the moment of publishing') expect(direct).toMatchObject(visible);
        else expect(visible).toEqual({});
        expect(await store!.keys('tables', `${prefix}_SUCCESS`)).toEqual([]);
        const { status, stderr } = await extract(proxy.endpoint, `s3://tables/${prefix}`);
        expect(status, stderr).toBe(1);
      } finally {
        await proxy.close();
      }
      expect(await hashes(prefix)).toEqual(direct);
      expect(await store!.uploads('tables')).toEqual([]);
    },
  );

  test('a store that goes away ends the run in one line, and the next start resumes', async () => {
    let isArmed = true;
    let isGone = false;
    const proxy = await startFaultProxy(store!.endpoint, ({ url }) => {
      isGone ||= isArmed && url.includes('/images/dataset/square/');
      return isGone ? 'internal' : undefined;
    });
    const out = 's3://tables/away';
    try {
      const first = await extract(proxy.endpoint, out, '--s3-patience', '3');
      expect(first.status, first.stderr).toBe(2);
      expect(first.stderr).toMatch(
        /Expected to read s3:\/\/images\/dataset\/\S+ but found that \S+ stopped answering \(500/,
      );
      expect(first.stderr).toContain('resumes from here');
      expect(first.stderr).not.toContain('    at ');
      expect(await store!.keys('tables', 'away/')).toEqual([]);
      isArmed = isGone = false;
      const second = await extract(proxy.endpoint, out);
      expect(second.status, second.stderr).toBe(1);
    } finally {
      await proxy.close();
    }
    expect(await hashes('away/')).toEqual(direct);
  });

  test('another table is not replaced unless asked', async () => {
    const options = ['--k', '3', '--work-dir', 'elsewhere'];
    const refused = await extract(store!.endpoint, 's3://tables/direct', ...options);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('Expected an output without a table for --out but found');
    expect(await hashes('direct/')).toEqual(direct);
    await extract(store!.endpoint, 's3://tables/faulty', ...options, '--overwrite');
    const replaced = await hashes('faulty/');
    expect(Object.keys(replaced)).toEqual(Object.keys(direct));
    expect(replaced['csv/features.csv']).not.toBe(direct['csv/features.csv']);
  });

  test('a network reads and writes there as well', async () => {
    const init = ['model', 'init', 'vgg16', '--seed', '1', '--width', '0.0625'];
    await runInProcess(dir, ...init, '--out', 'models/vgg16');
    const options = ['--mode', 'vgg16', '--layer', 'fc2', '--k', '3', '--device', 'wasm'];
    const reach = ['--s3-endpoint', store!.endpoint, '--limit', '8'];
    const out = ['--out', 's3://tables/vgg16', '--format', 'parquet,csv'];
    const { status, stderr } = await runInProcess(
      dir,
      's3://images/plain',
      ...options,
      ...reach,
      ...out,
    );
    expect(status, stderr).toBe(1);
    expect(await store!.keys('tables', 'vgg16/')).toContain('vgg16/_SUCCESS');
    const local = ['--out', 'local-vgg16', '--format', 'parquet,csv', '--limit', '8'];
    await runInProcess(dir, 'dataset', ...options, ...local);
    const cells = (csv: string) => csv.split('\n').map((line) => line.split(',').slice(1));
    const csvKey = { Bucket: 'tables', Key: 'vgg16/csv/features.csv' };
    const { Body } = await store!.client.send(new GetObjectCommand(csvKey));
    expect(cells(await Body!.transformToString())).toEqual(
      cells(readFileSync(join(dir, 'local-vgg16/csv/features.csv'), 'utf8')),
    );
  });

  test('a local run writes no state of its own elsewhere', () => {
    expect(existsSync(join(dir, 'local', '.img2features', 'identity.json'))).toBe(true);
  });
});

/** The cells of a line but the first. */
function withoutOrigin(line: string): string {
  return line.slice(line.indexOf(',') + 1);
}

/** About one request in seven goes wrong, each in the way that suits it. */
function seededFaults(seed: number): (seen: Seen) => Fault | undefined {
  const everywhere: Fault[] = [
    'slowDown',
    'tooMany',
    'internal',
    'reset',
    'lostAnswer',
    'redirect',
    'silence',
  ];
  const reads: Fault[] = [...everywhere, 'cut', 'short', 'stall', 'flip'];
  const writes: Fault[] = store!.kind === 'moto' ? everywhere : [...everywhere, 'flipUpload'];
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return ({ method, url }) => {
    if (random() > 0.14) return undefined;
    const isImage = method === 'GET' && url.includes('.');
    const hasBody = method === 'PUT';
    const kinds = isImage ? reads : hasBody ? writes : everywhere;
    return kinds[Math.floor(random() * kinds.length)];
  };
}
