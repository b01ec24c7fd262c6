import { afterAll, beforeAll, expect, test } from 'vitest';
import { openS3Source } from '../../src/source/s3-source.ts';
import { openOutput } from '../../src/storage/open-output.ts';
import { listXml, startScriptedStore } from './scripted-store.ts';
import { testOptions } from './store.ts';

const never = new AbortController().signal;

/** A public bucket: it answers whoever asks, and remembers who signed. */
let store: Awaited<ReturnType<typeof startScriptedStore>>;
const signed: string[] = [];

beforeAll(async () => {
  process.env.AWS_ACCESS_KEY_ID = 'someone';
  process.env.AWS_SECRET_ACCESS_KEY = 'secret';
  store = await startScriptedStore((method, url, headers) => {
    if (headers.authorization !== undefined) signed.push(`${method} ${url}`);
    if (url.includes('list-type')) return { status: 200, body: listXml(['a/1.jpg', 'a/2.jpg']) };
    return { status: 200, body: 'a', headers: { etag: '"0cc175b9c0f1b6a831c399e269772661"' } };
  });
});
afterAll(() => store.close());

async function readAll(isAnonymous: boolean): Promise<string[]> {
  const s3 = testOptions(store.endpoint, { isAnonymous });
  const source = openS3Source('s3://bkt/a', { originForm: 'path', s3 });
  signed.length = 0;
  const bodies: string[] = [];
  for await (const listed of source.list(never)) {
    if (listed.kind !== 'image') continue;
    // The listed size is 3 and the body has 1 byte: here only who asks how matters.
    const entry = { ...listed.entry, size: 1 };
    bodies.push(Buffer.from(await source.read(entry, never)).toString());
  }
  await source.close?.();
  return bodies;
}

test('with isAnonymous no request is signed, through the SDK or beside it', async () => {
  expect(await readAll(true)).toEqual(['a', 'a']);
  expect(signed).toEqual([]);
});

test('without it every request is', async () => {
  expect(await readAll(false)).toEqual(['a', 'a']);
  expect(signed).toHaveLength(3); // one list, two images
});

test('an output is signed in any case', async () => {
  const s3 = testOptions(store.endpoint, { isAnonymous: true });
  signed.length = 0;
  const output = await openOutput('s3://bkt/out', { s3, signal: never });
  await output.list('');
  await output.close?.();
  expect(signed).toHaveLength(1);
});
