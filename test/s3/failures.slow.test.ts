import { writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ExportError, type Img2FeaturesError, SourceError } from '../../src/errors.ts';
import type { S3Options } from '../../src/s3/s3-options.ts';
import { openS3Source } from '../../src/source/s3-source.ts';
import type { SourceEntry } from '../../src/source/source.ts';
import { S3Store } from '../../src/storage/s3-store.ts';
import { skipIf } from '../skip-if.ts';
import { type Answer, errorXml, listXml, startScriptedStore } from './scripted-store.ts';
import { NO_STORE, openTestStore, testOptions } from './store.ts';

const never = new AbortController().signal;
const ENTRY: SourceEntry = {
  origin: 's3://bkt/d/1.jpg',
  target: 'd',
  location: 'd/1.jpg',
  size: 3,
  version: '0cc175b9c0f1b6a831c399e269772661',
};

const store = await openTestStore('images');
afterAll(() => store?.stop());
beforeAll(() => {
  process.env.AWS_ACCESS_KEY_ID ??= 'tester';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'secret-of-tester';
});

/** What listing says when it fails. */
async function listFailure(
  input: string,
  endpoint: string,
  more: Partial<S3Options> = {},
): Promise<Img2FeaturesError> {
  const source = openS3Source(input, { originForm: 'path', s3: testOptions(endpoint, more) });
  try {
    for await (const _ of source.list(never));
  } catch (error) {
    return error as Img2FeaturesError;
  }
  throw new Error('Expected the list to fail.');
}

async function readFailure(endpoint: string, more: Partial<S3Options> = {}): Promise<unknown> {
  const source = openS3Source('s3://bkt/d', {
    originForm: 'path',
    s3: testOptions(endpoint, more),
  });
  return source.read(ENTRY, never).then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function withScript<T>(
  answer: Answer | ((method: string, url: string, headers: IncomingHttpHeaders) => Answer),
  work: (endpoint: string, requests: string[]) => Promise<T>,
): Promise<T> {
  const script = typeof answer === 'function' ? answer : () => answer;
  const scripted = await startScriptedStore(script);
  try {
    return await work(scripted.endpoint, scripted.requests);
  } finally {
    await scripted.close();
  }
}

describe('a real store', skipIf(store === undefined, NO_STORE), () => {
  test('a missing bucket is named', async () => {
    const error = await listFailure('s3://no-such-bucket/x', store!.endpoint);
    expect(error).toBeInstanceOf(SourceError);
    expect(error.message).toMatch(
      /^Expected to list s3:\/\/no-such-bucket\/x\/ but found no bucket no-such-bucket at http:/,
    );
    expect(error.fix).toMatch(/bucket name/);
  });

  test.each([
    { name: 'unknown', AWS_ACCESS_KEY_ID: 'nobody' },
    { name: 'wrongly signed', AWS_SECRET_ACCESS_KEY: 'not-the-secret' },
  ])(
    'an $name access key is refused',
    skipIf(store?.kind === 'moto', 'moto does not check it'),
    async ({ name: _, ...keys }) => {
      const kept = { ...process.env };
      Object.assign(process.env, keys);
      try {
        const error = await listFailure('s3://images/x', store!.endpoint);
        expect(error.message).toContain('refuses the access key');
        expect(error.fix).toMatch(/AWS_ACCESS_KEY_ID/);
      } finally {
        Object.assign(process.env, kept);
      }
    },
  );

  test('a profile that is named goes before keys in the environment, without a word', async () => {
    const kept = { ...process.env };
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = kept;
    // A file of its own: the SDK keeps what it has read under a name.
    const file = `${kept.AWS_SHARED_CREDENTIALS_FILE}-with-profile`;
    process.env.AWS_SHARED_CREDENTIALS_FILE = file;
    writeFileSync(
      file,
      `[other]\naws_access_key_id=${AWS_ACCESS_KEY_ID}\naws_secret_access_key=${AWS_SECRET_ACCESS_KEY}\n`,
    );
    process.env.AWS_ACCESS_KEY_ID = 'nobody';
    const said = vi.spyOn(console, 'warn');
    try {
      const { message } = await listFailure('s3://images/x', store!.endpoint, { profile: 'other' });
      expect(message).toContain('Expected objects below s3://images/x/ but found none');
      expect(said).not.toHaveBeenCalled();
    } finally {
      Object.assign(process.env, kept);
      said.mockRestore();
    }
  });

  test(
    'the hint of another region is followed',
    skipIf(store?.kind === 'moto', 'moto does not check it'),
    async () => {
      const { message } = await listFailure('s3://images/x', store!.endpoint, {
        region: 'eu-west-1',
      });
      expect(message).toContain('Expected objects below s3://images/x/ but found none');
    },
  );
});

test('an expired token says to sign in again', async () => {
  const expired = {
    status: 400,
    body: errorXml('ExpiredToken', 'The provided token has expired.'),
  };
  const error = await withScript(expired, (endpoint) => listFailure('s3://bkt/d', endpoint));
  expect(error.message).toContain('found an expired session token (400 ExpiredToken');
  expect(error.fix).toMatch(/Sign in again.*resumes from here/);
});

test('no credentials at all are told at once', async () => {
  const kept = { ...process.env };
  process.env.AWS_CONFIG_FILE = process.env.AWS_SHARED_CREDENTIALS_FILE = '/nonexistent';
  process.env.AWS_EC2_METADATA_DISABLED = 'true';
  delete process.env.AWS_ACCESS_KEY_ID;
  delete process.env.AWS_SECRET_ACCESS_KEY;
  try {
    const error = await listFailure('s3://bkt/d', 'http://127.0.0.1:9');
    expect(error.message).toContain('found no credentials');
  } finally {
    Object.assign(process.env, kept);
  }
});

test('a list that is denied asks for another right than an object that is denied', async () => {
  const denied = { status: 403, body: errorXml('AccessDenied', 'Access Denied') };
  await withScript(denied, async (endpoint) => {
    const list = await listFailure('s3://bkt/d', endpoint);
    expect(list.message).toContain('Expected to list s3://bkt/d/ but found access denied');
    expect(list.fix).toContain('s3:ListBucket');
    const read = (await readFailure(endpoint)) as SourceError;
    expect(read).toBeInstanceOf(SourceError);
    expect(read.message).toContain('Expected to read s3://bkt/d/1.jpg but found access denied');
    expect(read.fix).toContain('s3:GetObject');
  });
});

test('an output that may not be written is refused before any work', async () => {
  const denied = { status: 403, body: errorXml('AccessDenied') };
  await withScript(denied, async (endpoint) => {
    const output = new S3Store('s3://bkt/out', { s3: testOptions(endpoint), signal: never });
    const error = (await output.remove('_SUCCESS').catch((e: unknown) => e)) as ExportError;
    expect(error).toBeInstanceOf(ExportError);
    expect(error.message).toContain('Expected to write s3://bkt/out/ but found access denied');
    expect(error.fix).toContain('s3:PutObject');
  });
});

test('a clock that is off is named', async () => {
  const skewed = { status: 403, body: errorXml('RequestTimeTooSkewed') };
  const error = await withScript(skewed, (endpoint) => listFailure('s3://bkt/d', endpoint));
  expect(error.message).toContain('the clock of this machine is off');
});

test('something that is no store is told from a store', async () => {
  const html = {
    status: 404,
    body: '<html>Not found</html>',
    headers: { 'content-type': 'text/html' },
  };
  const error = await withScript(html, (endpoint) => listFailure('s3://bkt/d', endpoint));
  expect(error.message).toMatch(/found no S3 store at http/);
  expect(error.fix).toContain('--s3-endpoint');
});

test('a 404 that does not name the key is never taken for a missing image', async () => {
  const html = { status: 404, body: '<html>Not found</html>' };
  expect(await withScript(html, (endpoint) => readFailure(endpoint))).toBeInstanceOf(SourceError);
});

test('nobody listening at the endpoint is told after a short while', async () => {
  const error = await listFailure('s3://bkt/d', 'http://127.0.0.1:9', { patienceMs: 500 });
  expect(error.message).toMatch(/found no answer from http:\/\/127.0.0.1:9 \(ECONNREFUSED/);
});

test('a host without an address is told, and path style is thought of', async () => {
  const error = await listFailure('s3://bkt/d', 'http://store.invalid', {
    pathStyle: false,
    patienceMs: 300,
  });
  expect(error.message).toMatch(/the host of http:\/\/store.invalid has no address/);
  expect(error.fix).toContain('--s3-path-style');
});

test('plain HTTP where TLS is spoken, or the reverse, is told at once', async () => {
  const error = await withScript({ status: 200 }, (endpoint) =>
    listFailure('s3://bkt/d', endpoint.replace('http:', 'https:')),
  );
  expect(error.message).toContain('no trusted connection');
});

test('a redirect without a region says where it points', async () => {
  const moved = {
    status: 301,
    body: errorXml('PermanentRedirect', 'Elsewhere.', '<Endpoint>b.s3.example</Endpoint>'),
  };
  const error = await withScript(moved, (endpoint) => listFailure('s3://bkt/d', endpoint));
  expect(error.message).toContain('points elsewhere (b.s3.example)');
  expect(error.fix).toContain('--s3-region');
});

test('a redirect with a region is followed there', async () => {
  const first: Answer = {
    status: 301,
    body: errorXml('PermanentRedirect'),
    headers: { 'x-amz-bucket-region': 'eu-central-1' },
  };
  let count = 0;
  await withScript(
    () => (count++ === 0 ? first : { status: 200, body: listXml(['d/1.jpg']) }),
    async (endpoint) => {
      const source = openS3Source('s3://bkt/d', { originForm: 'path', s3: testOptions(endpoint) });
      const origins: string[] = [];
      for await (const one of source.list(never)) {
        if (one.kind === 'image') origins.push(one.entry.origin);
      }
      expect(origins).toEqual(['s3://bkt/d/1.jpg']);
    },
  );
});

test('a store that stays busy ends the run, resumable, not the image', async () => {
  const busy = { status: 503, body: errorXml('SlowDown', 'Please reduce your request rate.') };
  const error = await withScript(busy, (endpoint) => readFailure(endpoint, { patienceMs: 1000 }));
  expect(error).toBeInstanceOf(SourceError);
  expect((error as SourceError).message).toContain('found a store that is still too busy');
  expect((error as SourceError).fix).toContain('resumes from here');
});

test('bytes that differ from what was stored end the run, not the image', async () => {
  const etag = `"${ENTRY.version}"`;
  let count = 0;
  // The first body is the stored one, so this store is known for MD5; later ones are not.
  const answer = (): Answer => ({
    status: 200,
    body: count++ === 0 ? 'a' : 'b',
    headers: { etag, 'content-length': '1' },
  });
  await withScript(answer, async (endpoint) => {
    const s3 = testOptions(endpoint, { patienceMs: 1000 });
    const source = openS3Source('s3://bkt/d', { originForm: 'path', s3 });
    const entry = { ...ENTRY, size: 1 };
    expect(await source.read(entry, never)).toEqual(new Uint8Array([0x61]));
    await expect(source.read(entry, never)).rejects.toThrow(/other bytes than were stored/);
  });
});

test('ETags that look like MD5 and never are do not stop a run', async () => {
  const etag = '"0123456789abcdef0123456789abcdef"';
  const body = { status: 200, body: 'abc', headers: { etag, 'content-length': '3' } };
  await withScript(body, async (endpoint, requests) => {
    const source = openS3Source('s3://bkt/d', { originForm: 'path', s3: testOptions(endpoint) });
    const entry = { ...ENTRY, version: etag.replaceAll('"', '') };
    for (let i = 0; i < 5; i++) expect(await source.read(entry, never)).toHaveLength(3);
    expect(requests).toHaveLength(3 * 2 + 2);
  });
});

test('an object in an archive class is a rejection, for the store is well', async () => {
  const archived = { status: 403, body: errorXml('InvalidObjectState') };
  const error = await withScript(archived, (endpoint) => readFailure(endpoint));
  expect(error).toMatchObject({ reason: 'unreadable' });
});

test('keys that no path can hold are listed as they are', async () => {
  const keys = ['d/../up.jpg', 'd//twice.jpg', 'd/\u0001\n.jpg', 'd/./dot.jpg', 'd/folder.jpg/'];
  await withScript({ status: 200, body: listXml(keys) }, async (endpoint) => {
    const source = openS3Source('s3://bkt', { originForm: 'path', s3: testOptions(endpoint) });
    const found: string[] = [];
    for await (const one of source.list(never)) {
      if (one.kind === 'image') found.push(`${one.entry.target} ${one.entry.origin}`);
    }
    expect(found).toEqual([
      '.. s3://bkt/d/../up.jpg',
      'd s3://bkt/d//twice.jpg',
      'd s3://bkt/d/\u0001\n.jpg',
      '. s3://bkt/d/./dot.jpg',
    ]);
  });
});

test('odd keys are asked for by their own name, never a tidied one', async () => {
  const body = { status: 200, body: 'abc', headers: { 'content-length': '3' } };
  await withScript(body, async (endpoint, requests) => {
    const source = openS3Source('s3://bkt', { originForm: 'path', s3: testOptions(endpoint) });
    for (const location of ['d/../up.jpg', '/lead.jpg', 'd//twice.jpg', 'a+b %41.jpg']) {
      await source.read({ ...ENTRY, location, version: 'modified x' }, never);
    }
    expect(requests.map((line) => line.replace('?x-id=GetObject', ''))).toEqual([
      'GET /bkt/d/../up.jpg',
      'GET /bkt//lead.jpg',
      'GET /bkt/d//twice.jpg',
      'GET /bkt/a%2Bb%20%2541.jpg',
    ]);
  });
});

test('--requester-pays goes with every request, and only when asked', async () => {
  const payers: (string | undefined)[] = [];
  const answer = (_: string, url: string, headers: IncomingHttpHeaders): Answer => {
    payers.push(headers['x-amz-request-payer'] as string | undefined);
    return { status: 200, body: url.includes('list-type') ? listXml(['d/1.jpg']) : 'abc' };
  };
  for (const requesterPays of [true, false]) {
    await withScript(answer, async (endpoint) => {
      const s3 = testOptions(endpoint, { requesterPays });
      const source = openS3Source('s3://bkt', { originForm: 'path', s3 });
      for await (const _ of source.list(never));
      // The first body comes through the SDK, the second without it.
      for (let i = 0; i < 2; i++) await source.read({ ...ENTRY, version: 'modified x' }, never);
      for (let i = 0; i < 2; i++) {
        await source.read({ ...ENTRY, version: '900150983cd24fb0d6963f7d28e17f72' }, never);
      }
    });
  }
  expect(payers).toEqual([...Array(5).fill('requester'), ...Array(5).fill(undefined)]);
});

test('a list without end is not followed for ever', async () => {
  const more = '<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>';
  const page = { status: 200, body: listXml(['d/1.jpg'], more) };
  const error = await withScript(page, (endpoint) => listFailure('s3://bkt', endpoint));
  expect(error.message).toContain('to continue but found no next page');
});
