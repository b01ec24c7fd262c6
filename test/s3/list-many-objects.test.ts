import { afterEach, beforeAll, expect, test } from 'vitest';
import { listManyObjects } from '../../src/s3/list-many-objects.ts';
import { listObjects } from '../../src/s3/list-objects.ts';
import { S3Connection } from '../../src/s3/s3-connection.ts';
import { openS3Source } from '../../src/source/s3-source.ts';
import { loadScript } from '../scripts/load-script.ts';
import { listXml, startScriptedStore } from './scripted-store.ts';
import { testOptions } from './store.ts';

const { startManyKeys } = await loadScript('../test/s3/list-many-keys.mjs');

const never = new AbortController().signal;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
beforeAll(() => {
  process.env.AWS_ACCESS_KEY_ID ??= 'tester';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'secret-of-tester';
});

function connect(endpoint: string): S3Connection {
  const connection = new S3Connection('bench', 'input', testOptions(endpoint));
  closing.push(() => connection.close());
  return connection;
}

async function keysOf(endpoint: string, prefix = 'dataset/'): Promise<string[]> {
  const keys: string[] = [];
  for await (const objects of listManyObjects(connect(endpoint), prefix, never)) {
    keys.push(...objects.map(({ key }) => key));
  }
  return keys;
}

async function manyKeys(count: number, options: object) {
  const store = await startManyKeys(count, options);
  closing.push(() => store.stop());
  return store;
}

/** A store with these keys, ten in a page, that does or does not know StartAfter. */
async function storeOf(keys: readonly string[], knowsStartAfter: boolean) {
  const store = await startScriptedStore((_, url) => {
    const query = new URL(url, 'http://store').searchParams;
    const [prefix, after] = [query.get('prefix') ?? '', query.get('start-after') ?? ''];
    let found = keys.filter((key) => key.startsWith(prefix));
    if (knowsStartAfter) found = found.filter((key) => key > after);
    if (query.has('delimiter')) {
      const below = found.map((key) => key.slice(0, key.indexOf('/', prefix.length) + 1));
      const folders = [...new Set(below.filter((folder) => folder !== ''))];
      const xml = folders.map((one) => `<CommonPrefixes><Prefix>${one}</Prefix></CommonPrefixes>`);
      return {
        status: 200,
        body: listXml([], `<IsTruncated>false</IsTruncated>${xml.join('')}`).replace(
          '<KeyCount>0</KeyCount>',
          '',
        ),
      };
    }
    const token = query.get('continuation-token');
    if (token !== null) found = keys.slice(keys.indexOf(token) + 1);
    const page = found.slice(0, 10);
    const next = `<IsTruncated>true</IsTruncated><NextContinuationToken>${page.at(-1)}</NextContinuationToken>`;
    const more = found.length > 10 ? next : '';
    return { status: 200, body: listXml(page, more) };
  });
  closing.push(() => store.close());
  return store;
}

const inFolders = (count: number) =>
  Array.from(
    { length: count },
    (_, i) => `dataset/f${String(i % 20).padStart(2, '0')}/${i}.jpg`,
  ).sort();

test('a long list is read in ranges at once: each key once, hardly a request more', async () => {
  const store = await manyKeys(20_000, { perFolder: 700, delayMs: 20 });
  const keys = await keysOf(store.endpoint);
  const inOrder: string[] = [];
  const requests = store.requests();
  for await (const { key } of listObjects(connect(store.endpoint), { prefix: 'dataset/' }, never)) {
    inOrder.push(key);
  }
  expect(keys).not.toEqual(inOrder);
  expect(keys.sort()).toEqual(inOrder);
  expect(requests).toBeLessThan(20 + 20);
  expect(store.mostAtOnce()).toBeGreaterThan(4);
});

test('what is in one folder, or on a few pages, is read page after page', async () => {
  const flat = await manyKeys(12_000, { perFolder: 12_000 });
  expect(new Set(await keysOf(flat.endpoint)).size).toBe(12_000);
  expect(flat.requests()).toBeLessThanOrEqual(12 + 2 * 2);
  const short = await manyKeys(4000, { perFolder: 100 });
  expect(new Set(await keysOf(short.endpoint)).size).toBe(4000);
  expect(short.requests()).toBe(4);
});

test.each([true, false])(
  'no key is doubled or lost where StartAfter is known: %s',
  async (knows) => {
    const keys = inFolders(600);
    const store = await storeOf(keys, knows);
    expect((await keysOf(store.endpoint)).sort()).toEqual(keys);
  },
);

test('keys out of order are an error where the list was cut, and else are all listed', async () => {
  const keys = inFolders(600);
  const [first, ...others] = keys;
  const late = await storeOf([...others.slice(0, 300), first, ...others.slice(300)], true);
  await expect(keysOf(late.endpoint)).rejects.toThrow('in the order of its keys but found others');
  const early = await storeOf([...others.slice(0, 20), first, ...others.slice(20)], true);
  expect((await keysOf(early.endpoint)).sort()).toEqual(keys);
});

test('a skipped folder that is cut into ranges counts as one', async () => {
  const keys = inFolders(600).map((key) => key.replace('dataset/', 'dataset/.cache/'));
  const store = await storeOf([...keys, 'dataset/1.jpg'], true);
  const s3 = testOptions(store.endpoint);
  const source = openS3Source('s3://bench/dataset', { originForm: 'path', s3 });
  closing.push(() => source.close?.());
  const listed = [];
  for await (const one of source.list(never)) listed.push(one.kind);
  expect(listed.sort()).toEqual(['image', 'skipped']);
});
