import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DecodeError } from '../../src/image/decode-error.ts';
import { openS3Source } from '../../src/source/s3-source.ts';
import type { Listed, Source, SourceEntry } from '../../src/source/source.ts';
import { skipIf } from '../skip-if.ts';
import { type Fault, startFaultProxy } from './fault-proxy.ts';
import { NO_STORE, openTestStore, testOptions } from './store.ts';

const store = await openTestStore('images');
afterAll(() => store?.stop());

const never = new AbortController().signal;
/** Where nothing goes wrong on purpose: moto takes its time. */
const PATIENT = { timeoutMs: 10_000 };
const BODY = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));

async function listAll(source: Source): Promise<Listed[]> {
  const listed: Listed[] = [];
  for await (const one of source.list(never)) listed.push(one);
  return listed;
}

async function entries(source: Source): Promise<SourceEntry[]> {
  return (await listAll(source)).flatMap((one) => (one.kind === 'image' ? [one.entry] : []));
}

function open(input: string, originForm: 'path' | 'relative' | 'url' = 'path'): Source {
  return openS3Source(input, { originForm, s3: testOptions(store!.endpoint, PATIENT) });
}

describe('against a real store', skipIf(store === undefined, NO_STORE), () => {
  const ODD = [
    'dataset/Apple Red 1/1 2.jpg',
    'dataset/Apple/%41+b.jpg',
    'dataset/Apple/a&b<c>"d\'.jpg',
    'dataset/Apple/x=1?y#z.png',
    'dataset/Äpfel/🍎 ünï.jpg',
    'dataset/é/\u0301combined.webp',
  ];

  beforeAll(async () => {
    for (const key of ODD) await store!.put('images', key, BODY);
    for (const key of [
      'dataset/.cache/1.jpg',
      'dataset/Apple/.hidden.jpg',
      'dataset/Apple/read.me',
    ])
      await store!.put('images', key, BODY);
    await store!.put('images', 'dataset/Empty/', '');
    await store!.put('images', 'dataset2/Apple/1.jpg', BODY);
  });

  test('odd keys keep every character in origin, and are read under it', async () => {
    const source = open('s3://images/dataset');
    const found = await entries(source);
    expect(found.map(({ origin }) => origin).sort()).toEqual(
      ODD.map((key) => `s3://images/${key}`).sort(),
    );
    for (const entry of found)
      expect(await source.read(entry, never)).toEqual(new Uint8Array(BODY));
  });

  test('the class is the folder that holds the object; the bucket where there is none', async () => {
    await store!.put('images', 'top.jpg', BODY);
    const found = await entries(open('s3a://images'));
    const target = (key: string) =>
      found.find(({ origin }) => origin === `s3://images/${key}`)?.target;
    expect(target('dataset/Apple Red 1/1 2.jpg')).toBe('Apple Red 1');
    expect(target('top.jpg')).toBe('images');
  });

  test('what is not read is counted as on a disk, dataset2 is not dataset', async () => {
    const listed = await listAll(open('s3://images/dataset/'));
    expect(listed.flatMap((one) => (one.kind === 'skipped' ? [one.why] : [])).sort()).toEqual([
      'extension .me',
      'folder .cache',
      'name .*',
    ]);
    expect(listed).toHaveLength(ODD.length + 3);
  });

  test('origins can be relative, or URLs as Spark writes them', async () => {
    const [relative] = await entries(open('s3://images/dataset/Apple Red 1', 'relative'));
    expect(relative?.origin).toBe('1 2.jpg');
    const [url] = await entries(open('s3a://images/dataset/Apple Red 1', 'url'));
    expect(url?.origin).toBe('s3a://images/dataset/Apple%20Red%201/1%202.jpg');
  });

  test('one object can be named by itself', async () => {
    const found = await entries(open('s3://images/dataset/Äpfel/🍎 ünï.jpg'));
    expect(found.map(({ target, size }) => ({ target, size }))).toEqual([
      { target: 'Äpfel', size: BODY.length },
    ]);
  });

  test('a prefix without objects is an error that says so', async () => {
    await expect(listAll(open('s3://images/datset'))).rejects.toThrow(
      'Expected objects below s3://images/datset/ but found none.',
    );
  });

  test('an object that changed since it was listed is a rejection, one that is gone another', async () => {
    await store!.put('images', 'moving/a.jpg', BODY);
    await store!.put('images', 'moving/b.jpg', BODY);
    const source = open('s3://images/moving');
    const [a, b] = await entries(source);
    await store!.put('images', 'moving/a.jpg', BODY.toReversed());
    const reasonOf = (error: DecodeError) => error.reason;
    expect(await source.read(a!, never).catch(reasonOf)).toBe('changed');
    const gone = { ...b!, location: 'moving/c.jpg' };
    expect(await source.read(gone, never).catch(reasonOf)).toBe('vanished');
  });

  test('more than one page is listed whole', async () => {
    const keys = Array.from({ length: 1050 }, (_, i) => `many/c/${String(i).padStart(4, '0')}.jpg`);
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => store!.put('images', key, 'x')));
    }
    const found = await entries(open('s3://images/many'));
    expect(found.map(({ location }) => location)).toEqual(keys);
  });

  test.each<Fault>([
    'slowDown',
    'tooMany',
    'internal',
    'redirect',
    'reset',
    'lostAnswer',
    'cut',
    'short',
    'stall',
    'silence',
    'flip',
  ])('two of %s in a row are survived, and the bytes are whole', async (fault) => {
    const proxy = await startFaultProxy(store!.endpoint, ({ url, count }) =>
      (url.includes('1%202.jpg') && count <= 4) || (fault !== 'flip' && count <= 2)
        ? fault
        : undefined,
    );
    try {
      const source = openS3Source('s3://images/dataset/Apple Red 1', {
        originForm: 'path',
        s3: testOptions(proxy.endpoint),
      });
      const [entry] = await entries(source);
      expect(await source.read(entry!, never)).toEqual(new Uint8Array(BODY));
      expect(proxy.done.length).toBeGreaterThanOrEqual(2);
    } finally {
      await proxy.close();
    }
  });

  test('fifty reads and more are in flight at once, and fewer after the store says slow down', async () => {
    let isBusy = false;
    let after = 0;
    const proxy = await startFaultProxy(
      store!.endpoint,
      ({ url }) => {
        if (!url.includes('/many/')) return undefined;
        if (isBusy) after++;
        return isBusy && after <= 60 ? 'slowDown' : undefined;
      },
      60,
    );
    try {
      const source = openS3Source('s3://images/many', {
        originForm: 'path',
        s3: testOptions(proxy.endpoint, PATIENT),
      });
      const found = (await entries(source)).slice(0, 400);
      await Promise.all(found.slice(0, 200).map((entry) => source.read(entry, never)));
      expect(proxy.mostOpen).toBeGreaterThanOrEqual(50);
      isBusy = true;
      const bodies = await Promise.all(found.slice(200).map((entry) => source.read(entry, never)));
      expect(bodies).toHaveLength(200);
      expect(proxy.done).toHaveLength(60);
    } finally {
      await proxy.close();
    }
  });
});
