import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { entriesOf, ManifestBuilder } from '../../src/run/manifest.ts';
import { openSource } from '../../src/source/open-source.ts';
import type { ListColumns } from '../../src/source/row-columns.ts';
import { temporaryFolder } from '../temporary-folder.ts';

interface Given {
  readonly columns?: ListColumns;
  readonly labels?: string;
  readonly splitFromFolders?: boolean;
  readonly originForm?: 'path' | 'relative';
}

/** What a source lists, as rows of a table would show it. */
async function listed(input: string, { originForm = 'path', ...labels }: Given = {}) {
  const source = openSource(input, { originForm, s3: {} as never, ...labels });
  const builder = new ManifestBuilder();
  for await (const one of source.list(new AbortController().signal)) builder.add(one);
  const manifest = builder.freeze(undefined, source.keptColumns);
  return {
    rows: [...entriesOf(manifest)].map(({ origin, target, split, kept }) =>
      [origin, target, split, ...(kept ?? [])].filter((text) => text !== undefined),
    ),
    rejected: manifest.rejections.map(({ origin }) => origin),
    kept: manifest.kept,
    notes: source.notes?.() ?? [],
  };
}

/** Empty files, in a folder of this test. */
async function withFiles(...names: string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const name of names) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), '');
  }
  return folder;
}

const TABLE = 'path,label,split,brand\n1.jpg,"a, b",train,x\n2.jpg,c,test,\n';

test.each([
  ['list.csv', TABLE],
  ['list.csv', `\ufeff${TABLE.replaceAll('\n', '\r\n')}`],
  ['list.csv', 'path;label;split;brand\n1.jpg;a, b;train;x\n2.jpg;c;test;\n'],
  ['list.tsv', 'path\tlabel\tsplit\tbrand\n1.jpg\ta, b\ttrain\tx\n2.jpg\tc\ttest\t'],
  ['list.txt', TABLE],
  [
    'list.json',
    '[{"path":"1.jpg","label":"a, b","split":"train","brand":"x"},\n{"path":"2.jpg","label":"c","split":"test","brand":null}]',
  ],
  [
    'list.jsonl',
    '{"path":"1.jpg","label":"a, b","split":"train","brand":"x"}\n{"path":"2.jpg","label":"c","split":"test"}',
  ],
])('reads path, label, split and a kept column of %s', async (name, text) => {
  const folder = await withFiles('1.jpg', '2.jpg');
  const list = join(folder, name);
  for (const encoding of ['utf8', 'utf16le'] as const) {
    const mark = encoding === 'utf16le' && !text.startsWith('\ufeff') ? '\ufeff' : '';
    await writeFile(list, Buffer.from(mark + text, encoding));
    const { rows, kept, notes } = await listed(list, { columns: { keep: ['brand'] } });
    expect(rows).toEqual([
      [join(folder, '1.jpg'), 'a, b', 'train', 'x'],
      [join(folder, '2.jpg'), 'c', 'test', ''],
    ]);
    expect(kept).toEqual(['brand']);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('start at its own folder');
  }
});

test('columns that are not read are named once; all of them can be kept', async () => {
  const folder = await withFiles('1.jpg', '2.jpg');
  const list = join(folder, 'list.csv');
  await writeFile(list, 'image,year,,Class,brand\n1.jpg,1,0,a,x\n2.jpg,2,1,b,y\n');
  const named = await listed(list);
  expect(named.rows.map(([, target]) => target)).toEqual(['a', 'b']);
  expect(named.notes[1]).toContain('Not read of');
  expect(named.notes[1]).toContain('the columns "year" (2 rows), "brand" (2 rows).');
  const all = await listed(list, { columns: { keep: 'all' } });
  expect([all.kept, all.rows[1].slice(1), all.notes.length]).toEqual([
    ['year', 'brand'],
    ['b', '2', 'y'],
    1,
  ]);
});

test('all keys of JSON lines are kept, those that only some lines have too', async () => {
  const folder = await withFiles('1.jpg', '2.jpg');
  const list = join(folder, 'list.jsonl');
  await writeFile(list, '{"path":"1.jpg","a":1}\n{"path":"2.jpg","b":{"c":[true]},"a":"x"}\n');
  const { rows, kept } = await listed(list, { columns: { keep: 'all' } });
  const [target] = rows.map((row) => row[1]);
  expect(kept).toEqual(['a', 'b']);
  expect(rows.map((row) => row.slice(1))).toEqual([
    [target, '1'],
    [target, 'x', '{"c":[true]}'],
  ]);
});

test('an array may hold paths alone', async () => {
  const folder = await withFiles('a/1.jpg');
  const list = join(folder, 'list.json');
  await writeFile(list, JSON.stringify([join(folder, 'a/1.jpg')]));
  expect((await listed(list)).rows).toEqual([[join(folder, 'a/1.jpg'), 'a']]);
});

test('names that every object of JavaScript has are ordinary names', async () => {
  const folder = await withFiles('constructor/train/1.jpg', 'test/constructor/2.jpg');
  const split = await listed(folder, { splitFromFolders: true });
  expect(split.rows.map((row) => row[2])).toEqual(['train', 'test']);
  const list = join(folder, 'list.jsonl');
  await writeFile(list, '{"path":"test/constructor/2.jpg","constructor":"x"}\n{"path":"a"}\n');
  const { rows } = await listed(list, { columns: { keep: ['constructor'] } });
  expect(rows.map((row) => row.at(-1))).toEqual(['x']);
  await writeFile(list, '{"path":"test/constructor/2.jpg"}\n{"path":"a","constructor":"x"}\n');
  const later = await listed(list, { columns: { keep: ['constructor'] } });
  expect(later.rows.map((row) => row.at(-1))).toEqual(['']);
});

test('a long line and a quote that stays open are read in one go', async () => {
  const folder = await withFiles('1.jpg');
  const list = join(folder, 'list.json');
  // Of 6 MB: read again for each piece, or from each place, it would take minutes.
  const rows = [{ path: join(folder, '1.jpg') }, { path: 'x'.repeat(6e6) }];
  await writeFile(list, JSON.stringify(rows));
  expect((await listed(list)).rows).toHaveLength(1);
  const table = join(folder, 'list.csv');
  const lines = Array.from({ length: 200_000 }, (_, i) => `some-folder/${i}.jpg,a`);
  await writeFile(table, ['path,label', '"some-folder/0.jpg,a', ...lines].join('\n'));
  await expect(listed(table)).rejects.toThrow('a quote that is not closed ("some-folder/0.jpg,a');
});

test('columns of other names are named by options', async () => {
  const folder = await withFiles('1.jpg');
  const list = join(folder, 'list.csv');
  await writeFile(list, 'id,path,kind,part\n1.jpg,nowhere,a,dev\n');
  const columns = { path: 'id', target: 'kind', split: 'part' };
  expect((await listed(list, { columns })).rows).toEqual([[join(folder, '1.jpg'), 'a', 'dev']]);
  await expect(listed(list, { columns: { ...columns, target: 'sort' } })).rejects.toThrow(
    'Expected a column "sort" in',
  );
  await expect(listed(list, { columns: { keep: ['brand'] } })).rejects.toThrow('"brand"');
});

test.each([
  ['no column of paths', 'id,label\n1,a\n', 'Expected a header with a column of paths'],
  ['a column twice', 'path,a,a\n1.jpg,1,2\n', 'found "a" twice'],
  ['a short row', 'path,a,b\n1.jpg,1\n', 'Expected 3 cells, as its header has, in row 2 of'],
  ['an open quote', 'path,a\n"1.jpg,1\n2.jpg,2\n', 'a quote that is not closed'],
  ['two classes', 'path,label,class\n1.jpg,1,2\n', 'Expected one class in row 2 of'],
  ['an empty path', 'path,label\n,a\n', 'Expected a string "path"'],
])('a table with %s is refused', async (_, text, message) => {
  const list = join(await withFiles('1.jpg'), 'list.csv');
  await writeFile(list, text);
  await expect(listed(list)).rejects.toThrow(message);
});

test('relative paths start at one place: the working folder, where the first that exists is there', async () => {
  const folder = await withFiles('1.jpg');
  const list = join(folder, 'list.csv');
  const here = relative(process.cwd(), join(folder, '1.jpg'));
  await writeFile(list, `path\nnowhere.jpg\n${here}\n1.jpg\n`);
  const fromWorkingFolder = await listed(list);
  expect(fromWorkingFolder.rows.map(([origin]) => origin)).toEqual([here]);
  expect(fromWorkingFolder.rejected).toEqual(['1.jpg', 'nowhere.jpg']);
  expect(fromWorkingFolder.notes).toEqual([]);
  await writeFile(list, 'path\nnowhere.jpg\n1.jpg\npackage.json\n');
  const fromFolder = await listed(list, { originForm: 'relative' });
  expect(fromFolder.rows.map(([origin]) => origin)).toEqual(['1.jpg']);
  expect(fromFolder.rejected).toEqual(['nowhere.jpg', 'package.json']);
});

const FILES = ['in/Training/a/1.jpg', 'in/Training/b/2.png', 'in/Test/a/3.jpg', 'in/other/4.jpg'];

test('--split folders reads the split from usual names below the input', async () => {
  // Above the input such a name says nothing.
  const folder = join(await withFiles(...FILES.map((name) => `train/${name}`)), 'train', 'in');
  const { rows, notes } = await listed(folder, { originForm: 'relative', splitFromFolders: true });
  expect(rows).toEqual([
    ['Test/a/3.jpg', 'a', 'test'],
    ['Training/a/1.jpg', 'a', 'train'],
    ['Training/b/2.png', 'b', 'train'],
    ['other/4.jpg', 'other', ''],
  ]);
  expect(notes[0]).toContain('1 images are in no folder or archive named train');
  await expect(listed(join(folder, 'other'), { splitFromFolders: true })).rejects.toThrow(
    'Expected folders for --split folders',
  );
});

test('--labels joins by path, file name or stem, and tells what is left over', async () => {
  const folder = await withFiles(...FILES);
  const labels = join(folder, 'labels.csv');
  const input = join(folder, 'in');
  const text = `file,label,split,brand\n./Training/a/1.jpg,x,train,k\n2.png,y,test,\n3,z,val,m\nnone.jpg,w,val,\n`;
  await writeFile(labels, text);
  const { rows, kept, notes } = await listed(input, {
    originForm: 'relative',
    labels,
    columns: { keep: ['brand'] },
  });
  expect(rows).toEqual([
    ['Test/a/3.jpg', 'z', 'val', 'm'],
    ['Training/a/1.jpg', 'x', 'train', 'k'],
    ['Training/b/2.png', 'y', 'test', ''],
    ['other/4.jpg', '', '', ''],
  ]);
  expect(kept).toEqual(['brand']);
  expect(notes).toEqual([
    `1 images have no row in ${labels}, their target is empty: other/4.jpg.`,
    `1 rows of ${labels} have no image: none.jpg.`,
  ]);
  expect(await readFile(labels, 'utf8')).toBe(text);
});

test('labels without a class leave that of the folder', async () => {
  const folder = await withFiles(...FILES);
  const labels = join(folder, 'labels.jsonl');
  await writeFile(labels, '{"path":"1.jpg","split":"train"}\n');
  const { rows } = await listed(join(folder, 'in'), { originForm: 'relative', labels });
  expect(rows.slice(0, 2)).toEqual([
    ['Test/a/3.jpg', 'a', ''],
    ['Training/a/1.jpg', 'a', 'train'],
  ]);
});

test.each([
  [
    'a name that two images have',
    'path,label\n1.jpg,x\n',
    'Expected one image for "1.jpg" in row 2',
  ],
  ['a stem that two images have', 'path,label\n1,x\n', 'Expected one image for "1" in row 2'],
  ['two labels', 'path,label\na/1.jpg,x\na/1.jpg,y\n', 'Expected one label for "a/1.jpg"'],
])('labels with %s are refused', async (_, text, message) => {
  const folder = await withFiles('in/a/1.jpg', 'in/b/1.jpg');
  const labels = join(folder, 'labels.csv');
  await writeFile(labels, text);
  await expect(listed(join(folder, 'in'), { labels })).rejects.toThrow(message);
});
