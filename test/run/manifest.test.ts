import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { compareUtf8 } from '../../src/run/compare-utf8.ts';
import { ManifestBuilder, readManifest, writeManifest } from '../../src/run/manifest.ts';
import { describeManifestDifference } from '../../src/run/run-identity.ts';
import type { SourceEntry } from '../../src/source/source.ts';
import { HOSTILE_NAMES } from '../export/sample.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { entry, images, manifestOf } from './sample.ts';

// U+FFFD (EF BF BD) comes before U+1F34E (F0 9F 8D 8E) in UTF-8, and after it in UTF-16 (D83C DF4E).
const TRICKY = [
  'a/b',
  'a b',
  'a',
  'é',
  'z',
  '\uffff',
  '🍎',
  '🍎a',
  '\ue000',
  '\ufffd',
  '𐀀',
  '漢',
  'A',
  'a-b',
  'a/',
];

const originsOf = (manifest: ReturnType<typeof manifestOf>) =>
  Array.from({ length: manifest.count }, (_, i) => manifest.entry(i).origin);

test('sorts by the bytes of UTF-8, characters beyond the basic plane included', () => {
  const byBytes = [...TRICKY].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(originsOf(manifestOf(TRICKY.map((origin) => entry(origin))))).toEqual(byBytes);
  expect([...TRICKY].sort(compareUtf8)).toEqual(byBytes);
  expect(byBytes.indexOf('\ufffd')).toBeLessThan(byBytes.indexOf('🍎'));
});

test('gives back what it was given, wherever a location differs from its origin', () => {
  const entries = [
    entry('photos/a/1.jpg', {
      target: 'a',
      location: '/home/me/photos/a/1.jpg',
      size: 5e9,
      version: '1763859873123.4567',
    }),
    entry('photos/a/2.jpg', { target: '', location: 'photos/a/2.jpg', size: 0, version: '' }),
    entry('s3://bucket/🍎 key+%2F.jpg', {
      target: '🍎',
      location: '🍎 key+%2F.jpg',
      version: '"9b2c"',
    }),
    entry('x', { location: '' }),
    ...HOSTILE_NAMES.map((name) => entry(`z${name}`, { target: name, location: `/other/${name}` })),
  ];
  const manifest = manifestOf([...entries].reverse());
  const found = Array.from({ length: manifest.count }, (_, i) => manifest.entry(i));
  expect(found).toEqual([...entries].sort((a, b) => compareUtf8(a.origin, b.origin)));
});

test('is read back as it was written, and named by the hash of its file', async () => {
  const path = join(await temporaryFolder(), 'manifest.jsonl');
  const builder = new ManifestBuilder();
  for (const name of HOSTILE_NAMES) {
    builder.add({ kind: 'image', entry: entry(name, { target: name, location: `/in/${name}` }) });
  }
  const rejection = {
    origin: 'broken',
    reason: 'broken_link',
    message: 'Expected a file.',
  } as const;
  builder.add({ kind: 'rejected', rejection });
  builder.add({ kind: 'skipped', why: 'no extension' });
  expect(builder.count).toBe(HOSTILE_NAMES.length);
  const manifest = builder.freeze();
  expect([manifest.count, manifest.skipped, manifest.rejections]).toEqual([
    HOSTILE_NAMES.length,
    { 'no extension': 1 },
    [rejection],
  ]);
  await writeManifest(path, manifest);
  const again = await readManifest(path);
  expect(originsOf(again)).toEqual(originsOf(manifest));
  expect(again.rejections).toEqual([rejection]);
  expect(again.sha256).toBe(manifest.sha256);
  expect(
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  ).toBe(manifest.sha256);
});

test('keeps the stamps of files, which are no part of what the list is', async () => {
  const path = join(await temporaryFolder(), 'manifest.jsonl');
  const stamped = manifestOf([entry('a', { stamp: '17.25 3' }), entry('b')]);
  expect(stamped.sha256).toBe(manifestOf([entry('a'), entry('b')]).sha256);
  await writeManifest(path, stamped);
  const again = await readManifest(path);
  expect([again.entry(0).stamp, again.entry(1).stamp]).toEqual(['17.25 3', undefined]);
  expect(again.sha256).toBe(stamped.sha256);
});

test('has the same hash in whatever order images were found, another for any change', () => {
  const entries = images(100);
  const { sha256 } = manifestOf(entries);
  expect(manifestOf([...entries].reverse()).sha256).toBe(sha256);
  expect(manifestOf(entries.slice(1)).sha256).not.toBe(sha256);
  for (const change of [{ size: 11 }, { version: '2' }, { target: 'y' }, { location: 'z' }]) {
    expect(manifestOf([{ ...entries[0], ...change }, ...entries.slice(1)]).sha256).not.toBe(sha256);
  }
});

test('refuses the same image twice', () => {
  expect(() => manifestOf([entry('b'), entry('a'), entry('b')])).toThrow(
    'Expected each image once in the input but found b twice.',
  );
  expect(() => manifestOf([entry('b'), entry('b')])).toThrow(RunError);
});

test('refuses an image that is a rejection too, and a rejection that occurs twice', () => {
  const builder = () => {
    const made = new ManifestBuilder();
    for (const one of images(5)) made.add({ kind: 'image', entry: one });
    return made;
  };
  const reject = (origin: string) =>
    ({ kind: 'rejected', rejection: { origin, reason: 'vanished', message: '' } }) as const;
  const both = builder();
  both.add(reject('in/000003.jpg'));
  expect(() => both.freeze()).toThrow('but found in/000003.jpg twice.');
  const twice = builder();
  twice.add(reject('gone'));
  expect(twice.freeze().count).toBe(5);
  twice.add(reject('gone'));
  expect(() => twice.freeze()).toThrow('but found gone twice.');
});

test('adds up the sizes of its images', () => {
  expect(manifestOf([entry('a', { size: 5e9 }), entry('b', { size: 1 })]).bytes).toBe(5e9 + 1);
});

test('rejects a name that is no text', () => {
  const builder = new ManifestBuilder();
  builder.add({ kind: 'image', entry: entry('half \ud83c.jpg') });
  expect(builder.freeze().rejections).toEqual([
    {
      origin: 'half \ud83c.jpg',
      reason: 'name_not_utf8',
      message: 'Expected a name that is text but found half a character in it.',
    },
  ]);
});

test('keeps the first images only, when limited', () => {
  const builder = new ManifestBuilder();
  for (const one of images(10).reverse()) builder.add({ kind: 'image', entry: one });
  expect(originsOf(builder.freeze(2))).toEqual(['in/000000.jpg', 'in/000001.jpg']);
});

test('sorts a list larger than one block of memory', () => {
  const long = 'x'.repeat(300);
  const entries = Array.from({ length: 10_000 }, (_, i) => entry(`${long}/${(i * 7919) % 10_000}`));
  const byBytes = entries.map(({ origin }) => origin).sort();
  expect(originsOf(manifestOf(entries))).toEqual(byBytes);
});

test.each(['[1,2', '{"origin":', 'null'])('refuses a damaged list: %s', async (line) => {
  const path = join(await temporaryFolder(), 'manifest.jsonl');
  await writeFile(path, `${line}\n`);
  await expect(readManifest(path)).rejects.toThrow(
    `Expected a list of images in ${path} but found`,
  );
});

test('takes less than 400 bytes an image: a million in less than 400 MB', () => {
  const before = process.memoryUsage().rss;
  const builder = new ManifestBuilder();
  for (let i = 0; i < 200_000; i++) {
    const target = `Class ${i % 131}`;
    const origin = `photos/fruits/Training/${target}/IMG_${String(i).padStart(9, '0')}_100.jpg`;
    const location = `/home/me/${origin}`;
    builder.add({
      kind: 'image',
      entry: entry(origin, { target, location, version: `176385987.${i}` }),
    });
  }
  expect(builder.count).toBe(200_000);
  expect((process.memoryUsage().rss - before) / 200_000).toBeLessThan(400);
});

test('says how two lists differ', () => {
  const before = manifestOf([entry('a'), entry('b'), entry('c'), entry('d')]);
  const now = manifestOf([
    entry('a'),
    entry('c', { size: 11 }),
    entry('d', { version: '2' }),
    entry('🍎'),
    entry('e'),
  ]);
  expect(describeManifestDifference(before, now)).toBe(
    'images: 2 added (e …), 1 removed (b), 2 changed (c …)',
  );
  const moved = manifestOf([entry('a', { target: 'other' }), entry('b'), entry('c'), entry('d')]);
  expect(describeManifestDifference(before, moved)).toBe(
    'images: their folders, labels or rejected names differ',
  );
});

test('splits and kept texts are part of the list, and are read back', async () => {
  const path = join(await temporaryFolder(), 'manifest.jsonl');
  const plain = [entry('a'), entry('b')];
  const labelled = [
    entry('a', { split: 'train', kept: ['=1', 'é\u0000"'], stamp: '1 2' }),
    entry('b', { split: '', kept: ['', 'x'] }),
  ];
  const freeze = (entries: readonly SourceEntry[], kept: readonly string[]) => {
    const builder = new ManifestBuilder();
    for (const one of entries) builder.add({ kind: 'image', entry: one });
    return builder.freeze(undefined, kept);
  };
  const manifest = freeze(labelled, ['brand', 'b,c']);
  expect([manifest.hasSplit, manifest.kept]).toEqual([true, ['brand', 'b,c']]);
  await writeManifest(path, manifest);
  const again = await readManifest(path);
  expect([again.entry(0), again.entry(1)]).toEqual(labelled);
  expect([again.sha256, again.kept, again.hasSplit]).toEqual([
    manifest.sha256,
    ['brand', 'b,c'],
    true,
  ]);
  const others = [
    freeze(labelled, ['brand', 'c']),
    freeze(plain, []),
    manifestOf([labelled[0], plain[1]]),
  ];
  expect(new Set([manifest, ...others].map(({ sha256 }) => sha256)).size).toBe(4);
  expect(others[1].hasSplit).toBe(false);
});

test('a list without splits and kept texts has the bytes that it always had', () => {
  const manifest = manifestOf([entry('in/a', { location: '/in/a', stamp: '1 2' })]);
  expect([...manifest.lines()].join('')).toBe('["in/a","x","/in/a",10,"1","1 2"]\n');
});
