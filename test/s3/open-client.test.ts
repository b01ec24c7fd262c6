import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { SourceError } from '../../src/errors.ts';
import { openS3Source } from '../../src/source/s3-source.ts';
import { listXml, startScriptedStore } from './scripted-store.ts';
import { testOptions } from './store.ts';

const never = new AbortController().signal;
let close: () => unknown = () => {};
afterEach(() => close());
beforeAll(() => {
  process.env.AWS_ACCESS_KEY_ID ??= 'tester';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'secret-of-tester';
});

/** Keys that a list gives. */
async function listed(endpoint: string): Promise<string[]> {
  const s3 = testOptions(endpoint);
  const source = openS3Source('s3://bkt/d', { originForm: 'path', s3 });
  const keys: string[] = [];
  for await (const one of source.list(never))
    if (one.kind === 'image') keys.push(one.entry.location);
  await source.close?.();
  return keys;
}

test.each<[string, string]>([
  ['a document type', `<!DOCTYPE ListBucketResult [<!ENTITY a "b">]>${listXml([])}`],
  ['a page', '<html><body>Please sign in.</body></html>'],
  [
    'another answer of S3',
    '<?xml version="1.0"?><ListAllMyBucketsResult></ListAllMyBucketsResult>',
  ],
  ['JSON', '{"Contents": []}'],
])('%s in place of a list is an error, never an empty list', async (_, body) => {
  const store = await startScriptedStore(() => ({ status: 200, body }));
  close = store.close;
  const error = await listed(store.endpoint).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(SourceError);
  expect((error as Error).message).toMatch(/no S3 store at .*in place of a list/);
  expect(store.requests).toHaveLength(1);
});

test('a list with a declaration and a namespace is one', async () => {
  const xml = listXml(['d/1.jpg']).replace(
    '<ListBucketResult>',
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
  );
  const store = await startScriptedStore(() => ({ status: 200, body: xml }));
  close = store.close;
  expect(await listed(store.endpoint)).toEqual(['d/1.jpg']);
});

test.each([200, 404])('an answer without an end and status %i is cut', async (status) => {
  let sent = 0;
  const server = createServer((_, response) => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.write('<ListBucketResult>');
    const more = () => {
      while (!response.destroyed && response.write('<a></a>'.repeat(10_000))) sent += 70_000;
    };
    response.on('drain', more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await expect(listed(endpoint)).rejects.toThrow(/an answer of more than 16777216 bytes/);
  expect(sent).toBeLessThan(64e6);
});
