import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Int64, Table, tableToIPC, vectorFromArray } from 'apache-arrow';
import { Table as WasmTable, writeParquet } from 'parquet-wasm';
import { expect, test } from 'vitest';
import { openSource } from '../../../src/source/open-source.ts';
import type { ListColumns } from '../../../src/source/row-columns.ts';
import type { OriginForm, SourceEntry } from '../../../src/source/source.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { parquetImages } from './parquet-images.ts';

const signal = AbortSignal.timeout(60_000);

const open = (input: string, originForm: OriginForm = 'relative', columns?: ListColumns) =>
  openSource(input, { originForm, columns, s3: {} as never });

async function list(input: string, originForm?: OriginForm, columns?: ListColumns) {
  const source = open(input, originForm, columns);
  const entries: SourceEntry[] = [];
  for await (const one of source.list(signal)) if (one.kind === 'image') entries.push(one.entry);
  return { entries, notes: source.notes?.(), kept: source.keptColumns };
}

const text = async (input: string, entry: SourceEntry) =>
  Buffer.from(await open(input).read(entry, signal)).toString();

test('rows of a Parquet file are images; the label is named by the metadata', async () => {
  const path = join(await temporaryFolder(), 'train.parquet');
  const rows = Array.from({ length: 7 }, (_, i) => ({ bytes: `image ${i}`, label: i % 2 }));
  writeFileSync(path, parquetImages(rows, { groupRows: 3, names: ['apple', 'kiwi'] }));
  const { entries, notes } = await list(path);
  expect(entries.map(({ origin, target }) => [origin, target])).toEqual(
    rows.map(({ label }, i) => [`train.parquet#00000000${i}`, ['apple', 'kiwi'][label]]),
  );
  expect(notes).toEqual([
    `Not read of ${path}: the columns id. --keep-columns carries columns into the table.`,
  ]);
  // In any order, and by a source that has listed nothing.
  for (const i of [6, 0, 3, 2, 5]) expect(await text(path, entries[i])).toBe(`image ${i}`);
  expect((await list(path, 'path')).entries[1].origin).toBe(`${path}#000000001`);
});

test('several files are read by braces or a star; numbers without names are the classes', async () => {
  const dir = await temporaryFolder();
  for (const i of [0, 1])
    writeFileSync(
      join(dir, `part-${i}.parquet`),
      parquetImages([{ bytes: `of ${i}`, label: 7 }], { groupRows: 10 }),
    );
  for (const input of [join(dir, 'part-{0..1}.parquet'), join(dir, '*.parquet')]) {
    const { entries } = await list(input);
    expect(entries.map(({ origin, target }) => [origin, target])).toEqual([
      ['part-0.parquet#000000000', '7'],
      ['part-1.parquet#000000000', '7'],
    ]);
    expect(await text(input, entries[1])).toBe('of 1');
  }
  await expect(list(join(dir, 'x*.parquet'))).rejects.toThrow('but found none');
});

test('a row with a path alone, a changed file and a file without images are told apart', async () => {
  const dir = await temporaryFolder();
  const path = join(dir, 'a.parquet');
  const rows = [
    { bytes: null, label: 0 },
    { bytes: 'x', label: 0 },
  ];
  writeFileSync(path, parquetImages(rows, { groupRows: 10 }));
  const { entries } = await list(path);
  await expect(open(path).read(entries[0], signal)).rejects.toMatchObject({ reason: 'vanished' });
  writeFileSync(join(dir, '0.jpg'), 'beside');
  expect(await text(path, entries[0])).toBe('beside');
  utimesSync(path, new Date(), new Date(Date.now() + 5000));
  await expect(open(path).read(entries[1], signal)).rejects.toMatchObject({ reason: 'changed' });

  const other = join(dir, 'other.parquet');
  const numbers = new Table({ label: vectorFromArray([1n, 2n], new Int64()) } as never);
  writeFileSync(other, writeParquet(WasmTable.fromIPCStream(tableToIPC(numbers, 'stream'))));
  await expect(list(other)).rejects.toThrow('Expected one column of images');
  writeFileSync(other, 'no parquet');
  await expect(list(other)).rejects.toThrow(`Expected a Parquet file at ${other}`);
  await expect(list(join(dir, 'none.parquet'))).rejects.toThrow('found nothing at');
});

test('columns are chosen as those of a list: class, split, kept ones, and the images', async () => {
  const path = join(await temporaryFolder(), 'a.parquet');
  const rows = [0, 1, null, -1].map((label, i) => ({ bytes: `image ${i}`, label }));
  const texts = {
    split: ['train', 'train', 'val', 'test'],
    brand: ['a', 'b', '', 'd'],
    fold: ['0', '1', '0', '1'],
  };
  writeFileSync(path, parquetImages(rows, { groupRows: 3, names: ['apple', 'kiwi'], texts }));
  const seen = async (columns?: ListColumns) => {
    const { entries, kept, notes } = await list(path, 'relative', columns);
    return {
      rows: entries.map((one) => [one.target, one.split, ...(one.kept ?? [])]),
      kept,
      notes,
    };
  };
  expect(await seen()).toEqual({
    // Neither a null nor the -1 that datasets writes is a class.
    rows: [
      ['apple', 'train'],
      ['kiwi', 'train'],
      ['', 'val'],
      ['', 'test'],
    ],
    kept: [],
    notes: [expect.stringContaining('the columns id, brand, fold.')],
  });
  expect(await seen({ target: 'brand', split: 'fold', keep: ['image.path', 'label'] })).toEqual({
    rows: [
      ['a', '0', '0.jpg', 'apple'],
      ['b', '1', '1.jpg', 'kiwi'],
      ['', '0', '2.jpg', ''],
      ['d', '1', '3.jpg', ''],
    ],
    kept: ['image.path', 'label'],
    notes: [expect.stringContaining('the columns id, split.')],
  });
  const all = await seen({ keep: 'all', ignoresSplit: true });
  expect([all.kept, all.rows[3], all.notes]).toEqual([
    ['id', 'brand', 'fold'],
    ['', undefined, '3', 'd', '1'],
    [expect.stringContaining('the columns split.')],
  ]);
  await expect(seen({ target: 'none' })).rejects.toThrow('a column "none" in');
  await expect(seen({ keep: ['image'] })).rejects.toThrow('found bytes in "image"');
  await expect(seen({ path: 'label' })).rejects.toThrow('images in the column "label"');
  writeFileSync(path, parquetImages(rows, { groupRows: 9 }));
  const other = path.replace('a.parquet', 'b.parquet');
  writeFileSync(other, parquetImages(rows, { groupRows: 9, texts: { fold: texts.fold } }));
  await expect(
    list(path.replace('a.parquet', '{a,b}.parquet'), 'path', { keep: 'all' }),
  ).rejects.toThrow('in all files but found others');
});
