import { expect, test } from 'vitest';
import { featureColumns } from '../../src/export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../../src/export/features-table.ts';
import { openSinks } from '../../src/export/formats.ts';
import { FORMAT_NAMES } from '../../src/options/extract-options.ts';
import { memoryStore, sampleRows, writeParts } from './sample.ts';

const schema = featureSchema(
  featureColumns('pixels', [{ layer: 'x', pool: 'none', length: 3 }], 2),
);

test('knows the formats of the command line', () => {
  expect(FORMAT_NAMES).toEqual(['parquet', 'json', 'csv', 'npy', 'feather']);
});

test('writes every format in parts and says what it wrote', async () => {
  const store = memoryStore();
  const files = await writeParts(store, FORMAT_NAMES, schema, [
    [sampleRows(2, 3, 2)],
    [sampleRows(1, 3, 2)],
  ]);
  expect(files.map(({ name }) => name)).toEqual([
    'parquet/part-00000.parquet',
    'parquet/part-00001.parquet',
    'json/part-00000.json',
    'json/part-00001.json',
    'csv/features.csv',
    'npy/index.jsonl',
    'npy/vectors.npy',
    'npy/vectors_redux.npy',
    'feather/part-00000.feather',
    'feather/part-00001.feather',
  ]);
  expect(files.map(({ bytes }) => bytes)).toEqual(
    files.map(({ name }) => store.files.get(name)!.length),
  );
});

test('leaves nothing open after an abort in the middle of a part', async () => {
  const store = memoryStore();
  const sinks = await openSinks({ store, formats: FORMAT_NAMES, schema, metadata: {}, rows: 2 });
  await sinks.beginPart(0);
  await sinks.write(buildRecordBatch(schema, sampleRows(2, 3, 2)));
  expect(store.open.size).toBe(7);
  await sinks.abort();
  expect([store.open.size, store.files.size]).toEqual([0, 0]);
});

test('aborts what is open when a later format cannot be opened', async () => {
  const store = memoryStore();
  const create = store.create;
  let refused = 0;
  store.create = async (name) => {
    if (name.startsWith('csv')) {
      refused++;
      throw new Error('no');
    }
    return create(name);
  };
  await expect(
    openSinks({ store, formats: ['json', 'csv'], schema, metadata: {} }),
  ).rejects.toThrow('no');
  expect([refused, store.open.size]).toEqual([1, 0]);
});

test('aborts every file of a format whose second file cannot be opened', async () => {
  const store = memoryStore();
  const create = store.create;
  store.create = async (name) => {
    if (name.endsWith('_redux.npy')) throw new Error('full');
    return create(name);
  };
  const opening = openSinks({ store, formats: ['npy'], schema, metadata: {}, rows: 1 });
  await expect(opening).rejects.toThrow('full');
  expect(store.open.size).toBe(0);
});
