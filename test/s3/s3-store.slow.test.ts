import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { RunError } from '../../src/errors.ts';
import { ownIdentity } from '../../src/files/lock-file.ts';
import type { S3Options } from '../../src/s3/s3-options.ts';
import { S3Store } from '../../src/storage/s3-store.ts';
import { skipIf } from '../skip-if.ts';
import { type Fault, startFaultProxy } from './fault-proxy.ts';
import { NO_STORE, openTestStore, testOptions } from './store.ts';

const store = await openTestStore('tables');
afterAll(() => store?.stop());

/** moto takes whatever comes; real stores check what was signed. */
const WRITE_FAULTS: Fault[] = [
  'slowDown',
  'reset',
  'lostAnswer',
  'silence',
  ...(store?.kind === 'moto' ? [] : (['flipUpload'] as const)),
];

const never = new AbortController().signal;
const opened: S3Store[] = [];
afterEach(async () => {
  for (const output of opened.splice(0)) await output.close();
});

function open(prefix: string, more: Partial<S3Options> = {}): S3Store {
  const s3 = testOptions(store!.endpoint, more);
  const output = new S3Store(`s3://tables/${prefix}`, { s3, signal: never });
  opened.push(output);
  return output;
}

async function write(output: S3Store, name: string, ...pieces: Uint8Array[]) {
  const file = await output.create(name);
  for (const piece of pieces) await file.write(piece);
  return file.commit();
}

async function read(output: S3Store, name: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of output.read(name)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('an output in a store', skipIf(store === undefined, NO_STORE), () => {
  test('nothing is visible before _SUCCESS, everything with it', async () => {
    const output = open('whole');
    await write(output, 'csv/features.csv', Buffer.from('a,b\n'));
    await write(output, 'parquet/part-00000.parquet', randomBytes(3 << 20));
    await write(output, 'run.json', Buffer.from('{}'));
    expect(await store!.keys('tables', 'whole/')).toEqual([]);
    await write(output, '_SUCCESS');
    expect((await store!.keys('tables', 'whole/')).sort()).toEqual([
      'whole/_SUCCESS',
      'whole/csv/features.csv',
      'whole/parquet/part-00000.parquet',
      'whole/run.json',
    ]);
    expect(await output.list('')).toEqual(['_SUCCESS', 'run.json']);
    expect(await output.list('csv')).toEqual(['features.csv']);
    await output.close();
    expect(await store!.uploads('tables')).toEqual([]);
  });

  test('a file of several parts has the bytes that were written, and the hash of them', async () => {
    const output = open('parts');
    const pieces = Array.from({ length: 37 }, () => randomBytes(1_000_003)); // 37 MB: 16 + 16 + 5 MiB
    const { bytes, sha256 } = await write(output, 'csv/features.csv', ...pieces);
    await write(output, '_SUCCESS');
    const found = await read(open('parts'), 'csv/features.csv');
    expect(found.equals(Buffer.concat(pieces))).toBe(true);
    expect(bytes).toBe(37 * 1_000_003);
    const { createHash } = await import('node:crypto');
    expect(createHash('sha256').update(found).digest('hex')).toBe(sha256);
  });

  test('an empty file can be read, a missing one is named', async () => {
    const output = open('empty');
    await write(output, 'rejected.jsonl');
    await write(output, '_SUCCESS');
    expect(await read(output, 'rejected.jsonl')).toHaveLength(0);
    await expect(read(output, 'run.json')).rejects.toThrow(
      'Expected to read s3://tables/empty/run.json but found none.',
    );
    await output.remove('run.json'); // nothing there: nothing to do
    await output.remove('rejected.jsonl');
    expect(await output.list('')).toEqual(['_SUCCESS']);
  });

  test.each(WRITE_FAULTS)(
    'each write survives %s, and what arrives is what was sent',
    async (fault) => {
      const seen = new Set<string>();
      const proxy = await startFaultProxy(store!.endpoint, ({ method, url }) => {
        const isFirst = !seen.has(method + url.replace(/uploadId=[^&]*/, ''));
        seen.add(method + url.replace(/uploadId=[^&]*/, ''));
        return isFirst && (method === 'PUT' || method === 'POST') ? fault : undefined;
      });
      try {
        const output = open(`written-${fault}`, { endpoint: proxy.endpoint });
        const big = randomBytes((1 << 20) + 1);
        await write(output, 'parquet/part-00000.parquet', big);
        await write(output, 'run.json', Buffer.from('{"a":1}'));
        await write(output, '_SUCCESS');
        expect(proxy.done.length).toBeGreaterThanOrEqual(4);
        expect((await read(output, 'parquet/part-00000.parquet')).equals(big)).toBe(true);
        expect(String(await read(output, 'run.json'))).toBe('{"a":1}');
        await output.close();
        const left = (await store!.uploads('tables')).filter((key) => key.startsWith('written-'));
        expect(left).toEqual([]);
      } finally {
        await proxy.close();
      }
    },
  );

  test('uploads that a killed run left are aborted, those of others are not', async () => {
    for (const name of ['parquet/part-00003.parquet', 'foreign.bin', 'run.json']) {
      const upload = { Bucket: 'tables', Key: `left/${name}` };
      await store!.client.send(new CreateMultipartUploadCommand(upload));
    }
    const output = open('left');
    await output.remove('_SUCCESS');
    await output.close();
    const left = (await store!.uploads('tables')).filter((key) => key.startsWith('left/'));
    expect(left).toEqual(['left/foreign.bin']);
  });

  test('a second process on the same output is refused while the first lives', async () => {
    const first = open('shared');
    await write(first, 'run.json', Buffer.from('{}'));
    const error = (await open('shared')
      .remove('_SUCCESS')
      .catch((e: unknown) => e)) as RunError;
    expect(error.message).toBe(
      `Expected no other run writing to s3://tables/shared/ but found process ${process.pid} here.`,
    );
    expect(await store!.uploads('tables')).not.toContain('shared/run.json'); // small: it waits in memory
    await write(first, '_SUCCESS');
    await first.close();
    await open('shared').remove('_SUCCESS');
  });

  test.each([
    {
      holder: 'a dead process here',
      identity: { ...ownIdentity(), pid: 2 ** 22 + 1 },
      isHeld: false,
    },
    {
      holder: 'another machine',
      identity: { ...ownIdentity(), host: 'elsewhere 1' },
      isHeld: true,
    },
  ])('a lock of $holder is respected: $isHeld', async ({ identity, isHeld }) => {
    const prefix = `held-${isHeld}`;
    const holder = Buffer.from(JSON.stringify(identity)).toString('base64url');
    const Key = `${prefix}/.img2features/lock/${holder}/1`;
    await store!.client.send(new CreateMultipartUploadCommand({ Bucket: 'tables', Key }));
    const refused = await open(prefix)
      .remove('_SUCCESS')
      .then(
        () => undefined,
        (error: RunError) => error,
      );
    expect(refused?.message).toBe(
      isHeld
        ? `Expected no other run writing to s3://tables/${prefix}/ but found process ${process.pid} on elsewhere.`
        : undefined,
    );
    expect(hostname()).not.toBe('elsewhere');
  });
});
