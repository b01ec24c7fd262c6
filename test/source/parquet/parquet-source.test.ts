import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Binary,
  Field,
  Int64,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { Table as WasmTable, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm';
import { expect, test } from 'vitest';
import { openSource } from '../../../src/source/open-source.ts';
import type { OriginForm, SourceEntry } from '../../../src/source/source.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const signal = AbortSignal.timeout(60_000);

const open = (input: string, originForm: OriginForm = 'relative') =>
  openSource(input, { originForm, s3: {} as never });

async function list(input: string, originForm?: OriginForm) {
  const source = open(input, originForm);
  const entries: SourceEntry[] = [];
  for await (const one of source.list(signal)) if (one.kind === 'image') entries.push(one.entry);
  return { entries, notes: source.notes?.() };
}

const text = async (input: string, entry: SourceEntry) =>
  Buffer.from(await open(input).read(entry, signal)).toString();

type Row = { bytes: string | null; label: number };

/** A file as `datasets` writes it, with so many rows in a group. */
function writeImages(
  path: string,
  rows: readonly Row[],
  groupRows: number,
  names?: string[],
): void {
  const struct = new Struct([
    new Field('bytes', new Binary(), true),
    new Field('path', new Utf8(), true),
  ]);
  const images = rows.map(({ bytes }, i) => ({
    bytes: bytes === null ? null : Uint8Array.from(Buffer.from(bytes)),
    path: `${i}.jpg`,
  }));
  const numbers = () =>
    vectorFromArray(
      rows.map((row) => BigInt(row.label)),
      new Int64(),
    );
  const columns = {
    image: vectorFromArray(images, struct as never),
    label: numbers(),
    id: numbers(),
  };
  const table = WasmTable.fromIPCStream(tableToIPC(new Table(columns as never), 'stream'));
  const info = {
    info: { features: { image: { _type: 'Image' }, label: { _type: 'ClassLabel', names } } },
  };
  const builder = new WriterPropertiesBuilder().setMaxRowGroupSize(groupRows);
  const properties = names
    ? builder.setKeyValueMetadata(new Map([['huggingface', JSON.stringify(info)]]))
    : builder;
  writeFileSync(path, writeParquet(table, properties.build()));
}

test('rows of a Parquet file are images; the label is named by the metadata', async () => {
  const path = join(await temporaryFolder(), 'train.parquet');
  const rows = Array.from({ length: 7 }, (_, i) => ({ bytes: `image ${i}`, label: i % 2 }));
  writeImages(path, rows, 3, ['apple', 'kiwi']);
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
    writeImages(join(dir, `part-${i}.parquet`), [{ bytes: `of ${i}`, label: 7 }], 10);
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
  writeImages(
    path,
    [
      { bytes: null, label: 0 },
      { bytes: 'x', label: 0 },
    ],
    10,
  );
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
