import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NameRule } from '../../src/options/name-rule.ts';
import { openSource } from '../../src/source/open-source.ts';
import type { Listed } from '../../src/source/source.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'img2features-source-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(...names: string[]): void {
  for (const name of names) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), 'x');
  }
}

async function list(
  input: string,
  originForm: 'path' | 'relative' | 'url' = 'relative',
  names = new NameRule(),
) {
  const listed: Listed[] = [];
  for await (const one of openSource(input, { originForm, names, s3: {} as never }).list(
    AbortSignal.timeout(10_000),
  )) {
    listed.push(one);
  }
  return {
    images: listed.flatMap((one) => (one.kind === 'image' ? [one.entry] : [])),
    rejections: listed.flatMap((one) => (one.kind === 'rejected' ? [one.rejection] : [])),
    skipped: listed.flatMap((one) => (one.kind === 'skipped' ? [one.why] : [])).sort(),
  };
}

test('images are listed with the folder that holds them as target', async () => {
  put('Training/Apple Golden 1/1.jpg', 'Training/Kiwi/2.PNG', 'top.webp');
  const { images } = await list(root);
  expect(images.map((e) => [e.origin, e.target]).sort()).toEqual([
    ['Training/Apple Golden 1/1.jpg', 'Apple Golden 1'],
    ['Training/Kiwi/2.PNG', 'Kiwi'],
    ['top.webp', root.split('/').at(-1)],
  ]);
});

test('another content of the same size and modification time has another stamp', async () => {
  put('a.jpg', 'b.jpg');
  const path = join(root, 'a.jpg');
  utimesSync(path, 1e9, 1e9);
  const [before, other] = (await list(root)).images;
  writeFileSync(join(root, 'new'), 'y');
  utimesSync(join(root, 'new'), 1e9, 1e9);
  renameSync(join(root, 'new'), path);
  const [after, same] = (await list(root)).images;
  expect(same).toEqual(other);
  expect(after).toEqual({ ...before, stamp: expect.any(String) });
  expect(after!.stamp).not.toBe(before!.stamp);
});

test('the origin is the input as given joined with the rest, or a URL', async () => {
  put('a b/1.jpg');
  expect((await list(`${root}/`, 'path')).images[0]?.origin).toBe(`${root}/a b/1.jpg`);
  expect((await list(root, 'url')).images[0]?.origin).toBe(`file://${root}/a%20b/1.jpg`);
});

test('what is not read is counted by why, a folder that is not looked into as one', async () => {
  put('a/1.jpg', 'a/notes.txt', 'a/.hidden.jpg', '.NET/2.jpg', '.NET/3.jpg', 'a/Thumbs.db');
  put('a/@eaDir/1.jpg', '__MACOSX/a/._1.jpg', 'a/README', 'a/b.jpg?v=1', 'a/old.MPO');
  const { images, skipped } = await list(root);
  expect(images.map((e) => e.origin).sort()).toEqual(['a/1.jpg', 'a/old.MPO']);
  expect(skipped).toEqual([
    'extension .db',
    'extension .jpg?v=1',
    'extension .txt',
    'folder .NET',
    'folder @eaDir',
    'folder __MACOSX',
    'name .*',
    'no extension',
  ]);
});

test('a class that hides can be read, and patterns leave out names and paths', async () => {
  put('.NET/1.jpg', '.git/2.jpg', 'a/1.jpg', 'a/1_mask.png', 'a/raw/1.jpg', 'raw/1.jpg');
  const names = new NameRule(undefined, ['!.NET', '*_mask.png', 'a/raw']);
  const { images, skipped } = await list(root, 'relative', names);
  expect(images.map((e) => [e.origin, e.target]).sort()).toEqual([
    ['.NET/1.jpg', '.NET'],
    ['a/1.jpg', 'a'],
    ['raw/1.jpg', 'raw'],
  ]);
  expect(skipped).toEqual(['folder .git', 'folder raw', 'name *_mask.png']);
});

test('other extensions are read when they are named, every file with any', async () => {
  put('a/1.jpg', 'a/2.dat', 'a/3', 'a/.4');
  const only = await list(root, 'relative', new NameRule(['dat', 'none']));
  expect(only.images.map((e) => e.origin).sort()).toEqual(['a/2.dat', 'a/3']);
  expect(only.skipped).toEqual(['extension .jpg', 'name .*']);
  const any = await list(root, 'relative', new NameRule('any'));
  expect(any.images.map((e) => e.origin).sort()).toEqual(['a/1.jpg', 'a/2.dat', 'a/3']);
  expect([any.skipped, any.rejections]).toEqual([['name .*'], []]);
});

test('a folder named like an image is one rejection and its images are listed', async () => {
  put('x.jpg/inner.jpg');
  const { images, rejections } = await list(root);
  expect(images.map((e) => e.origin)).toEqual(['x.jpg/inner.jpg']);
  expect(rejections).toEqual([
    { origin: 'x.jpg', reason: 'not_a_file', message: expect.stringContaining('found a folder') },
  ]);
});

test('a broken link is one rejection and a link to an image is a row', async () => {
  put('a/1.jpg');
  symlinkSync(join(root, 'nowhere.jpg'), join(root, 'a/broken.jpg'));
  symlinkSync(join(root, 'a/1.jpg'), join(root, 'a/link.jpg'));
  const { images, rejections } = await list(root);
  expect(images.map((e) => e.origin)).toEqual(['a/1.jpg', 'a/link.jpg']);
  expect(rejections.map((r) => [r.origin, r.reason])).toEqual([['a/broken.jpg', 'broken_link']]);
});

test('links that loop end; a folder is listed under every path that leads to it', async () => {
  put('b/1.jpg', 'fold/2.jpg');
  symlinkSync(root, join(root, 'b/loop'));
  symlinkSync(join(root, 'b'), join(root, 'a'));
  symlinkSync(join(root, 'fold'), join(root, 'train'));
  symlinkSync(join(root, 'fold'), join(root, 'test'));
  const { images, skipped } = await list(root);
  expect(images.map((e) => [e.origin, e.target]).sort()).toEqual([
    ['a/1.jpg', 'a'],
    ['b/1.jpg', 'b'],
    ['fold/2.jpg', 'fold'],
    ['test/2.jpg', 'test'],
    ['train/2.jpg', 'train'],
  ]);
  expect(skipped).toEqual(['link to a folder above it', 'link to a folder above it']);
});

test('a file name that is not UTF-8 is one rejection that shows its bytes', async () => {
  put('a/1.jpg');
  writeFileSync(Buffer.from(`${root}/a/caf\xe9.jpg`, 'latin1'), 'x');
  const { images, rejections } = await list(root);
  expect(images).toHaveLength(1);
  expect(rejections.map((r) => [r.origin, r.reason])).toEqual([
    ['a/caf\\xe9.jpg', 'name_not_utf8'],
  ]);
});

test('a folder is listed by one native call as by Node, which a name that is not UTF-8 needs', async () => {
  put('a/1.jpg', 'a/é.jpg', 'a/B.png', 'a/deep/2.jpg', 'a/deep.jpg/3.jpg', 'a/notes.txt');
  utimesSync(join(root, 'a/1.jpg'), 1, 1234567890.123);
  symlinkSync('1.jpg', join(root, 'a/link.jpg'));
  symlinkSync('nowhere', join(root, 'a/broken.jpg'));
  execFileSync('mkfifo', [join(root, 'a/pipe.jpg')]);
  const native = await list(root);
  const state = statSync(join(root, 'a/1.jpg'));
  expect(native.images.find(({ origin }) => origin === 'a/1.jpg')).toMatchObject({
    size: 1,
    version: String(state.mtimeMs),
    stamp: `${state.ctimeMs} ${state.ino}`,
  });
  writeFileSync(Buffer.from(`${root}/a/\xff.jpg`, 'latin1'), 'x');
  const { rejections, ...others } = await list(root);
  expect(rejections.map(({ reason }) => reason)).toContain('name_not_utf8');
  expect({
    ...others,
    rejections: rejections.filter(({ reason }) => reason !== 'name_not_utf8'),
  }).toEqual(native);
});

test('a missing input is a clear error', async () => {
  await expect(list(join(root, 'none'))).rejects.toThrow(
    'Expected the input to exist but found nothing at',
  );
});

test('a list names images in its own order and keeps missing ones as rejections', async () => {
  put('a/1.jpg');
  writeFileSync(
    join(root, 'list.jsonl'),
    `${JSON.stringify({ path: join(root, 'a/1.jpg'), target: 'mine' })}\n\n${join(root, 'a/2.jpg')}\n`,
  );
  const { images, rejections } = await list(join(root, 'list.jsonl'), 'path');
  expect(images.map((e) => e.target)).toEqual(['mine']);
  expect(rejections.map((r) => r.reason)).toEqual(['vanished']);
});

test('a list line that is neither a path nor JSON names its line', async () => {
  writeFileSync(join(root, 'list.jsonl'), '{"path": 3}\n');
  await expect(list(join(root, 'list.jsonl'))).rejects.toThrow('line 1');
});

test('a single image is a table of one row', async () => {
  put('Kiwi/1.jpg');
  const { images } = await list(join(root, 'Kiwi/1.jpg'), 'path');
  expect(images).toEqual([
    expect.objectContaining({ origin: join(root, 'Kiwi/1.jpg'), target: 'Kiwi', size: 1 }),
  ]);
});

test.each(['utf8', 'utf16le', 'utf16be'] as const)(
  'a list in %s with a byte-order mark',
  async (encoding) => {
    put('a/é.jpg', 'a/2.jpg');
    const lines = `\ufeff${root}/a/é.jpg\r\n{"path":"${root}/a/2.jpg","label":3}\r\n`;
    const bytes = Buffer.from(lines, encoding === 'utf8' ? 'utf8' : 'utf16le');
    writeFileSync(join(root, 'list.txt'), encoding === 'utf16be' ? bytes.swap16() : bytes);
    const { images, rejections } = await list(join(root, 'list.txt'), 'path');
    expect(rejections).toEqual([]);
    expect(images.map((e) => [e.origin, e.target])).toEqual([
      [join(root, 'a/é.jpg'), 'a'],
      [join(root, 'a/2.jpg'), '3'],
    ]);
  },
);

test('a list can name classes as labels and files by their URLs; what is no list is refused', async () => {
  put('a b/1.jpg', 'a b/2.jpg', 'x.csv', 'array.json');
  const url = `file://${root}/a%20b/1.jpg`;
  const lines = [url, JSON.stringify({ origin: join(root, 'a b/2.jpg'), class: 'cat' })];
  writeFileSync(join(root, 'list.jsonl'), lines.join('\n'));
  const { images } = await list(join(root, 'list.jsonl'), 'path');
  expect(images.map((e) => [e.origin, e.target, e.location])).toEqual([
    [url, 'a b', join(root, 'a b/1.jpg')],
    [join(root, 'a b/2.jpg'), 'cat', join(root, 'a b/2.jpg')],
  ]);
  await expect(list(join(root, 'x.csv'))).rejects.toThrow(
    'Expected a header with a column of paths',
  );
  writeFileSync(join(root, 'array.json'), '{"path": "a"}\n[{"path": "a"}]');
  await expect(list(join(root, 'array.json'))).rejects.toThrow('but found an array');
});

test('keys of a list that are not read are named, and two classes of one image are refused', async () => {
  put('a/1.jpg', 'a/2.jpg');
  const path = (name: string) => join(root, 'a', name);
  const write = (...rows: object[]) =>
    writeFileSync(join(root, 'list.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
  write(
    { path: path('1.jpg'), label: 3, caption: 'x' },
    { path: path('2.jpg'), target: 'b', label: 'b', caption: 'y', split: 'test' },
  );
  const source = openSource(join(root, 'list.jsonl'), { originForm: 'path', s3: {} as never });
  const targets: string[] = [];
  for await (const listed of source.list(new AbortController().signal)) {
    if (listed.kind === 'image') targets.push(listed.entry.target);
  }
  expect(targets).toEqual(['3', 'b']);
  expect(source.notes?.()).toEqual([
    `Not read of ${join(root, 'list.jsonl')}: the columns "caption" (2 rows). --keep-columns carries columns into the table.`,
  ]);
  write({ path: path('1.jpg'), target: 'b', class: 'c' });
  await expect(list(join(root, 'list.jsonl'))).rejects.toThrow(
    'but found target and class with different values',
  );
});

test('a list whose lines are those of a table is refused, not told as images that are gone', async () => {
  put('a/1.jpg', 'a/2,b.jpg');
  writeFileSync(
    join(root, 'list.txt'),
    `${join(root, 'a/2,b.jpg')}\n${join(root, 'a/gone, x.jpg')}`,
  );
  const { images, rejections } = await list(join(root, 'list.txt'), 'path');
  expect([images.length, rejections.length]).toEqual([1, 1]);
  writeFileSync(join(root, 'list.txt'), `${join(root, 'a/1.jpg')},cat\n`);
  await expect(list(join(root, 'list.txt'))).rejects.toThrow('Expected one path a line in');
});

test('a pipe holds a list', async () => {
  put('a/1.jpg');
  execFileSync('mkfifo', [join(root, 'pipe')]);
  const listing = list(join(root, 'pipe'), 'path');
  await writeFile(join(root, 'pipe'), `${join(root, 'a/1.jpg')}\n`);
  expect((await listing).images).toHaveLength(1);
});
