import { expect, test } from 'vitest';
import { featureColumns, matrixColumns } from '../../src/export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../../src/export/features-table.ts';
import { filesOfFormat, openSinks, tableReader } from '../../src/export/formats.ts';
import { uncheckedFiles } from '../../src/export/table-batch.ts';
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

test('every format writes the split and kept columns after origin and target, and reads them back', async () => {
  const columns = featureColumns('pixels', [{ layer: 'x', pool: 'none', length: 3 }], 2, {
    hasSplit: true,
    kept: ['=bränd', 'a,b'],
  });
  const texts = new Map([
    ['split', ['train', 'test']],
    ['=bränd', ['=1', '']],
    ['a,b', ['x"y\nz', 'é']],
  ]);
  const store = memoryStore();
  const rows = { ...sampleRows(2, 3, 2), texts };
  const files = await writeParts(store, FORMAT_NAMES, featureSchema(columns), [[rows]]);
  for (const format of FORMAT_NAMES) {
    const read = await tableReader(format);
    const wanted = format === 'csv' ? matrixColumns(columns) : columns;
    const [{ name }] = filesOfFormat(files, format);
    const batches = [];
    for await (const batch of read(uncheckedFiles(store), name, wanted)) batches.push(batch);
    expect(batches).toHaveLength(1);
    expect([...batches[0].texts]).toEqual([...texts]);
    expect([batches[0].origins, batches[0].faults.size]).toEqual([rows.origins, 0]);
  }
  const [line] = new TextDecoder().decode(store.files.get('json/part-00000.json')).split('\n');
  expect(Object.keys(JSON.parse(line))).toEqual([
    'origin',
    'target',
    'split',
    '=bränd',
    'a,b',
    'vectors',
    'vectors_redux',
  ]);
});

test('a row without the text of a kept column is a fault', async () => {
  const columns = featureColumns('pixels', [{ layer: 'x', pool: 'none', length: 1 }], 0, {
    hasSplit: false,
    kept: ['brand'],
  });
  const text = '{"origin":"a","target":"b","vectors":[1.0]}\n';
  const files = {
    stream: async function* () {
      yield Buffer.from(text);
    },
    whole: async () => Buffer.from(text),
  };
  const read = await tableReader('json');
  for await (const { faults } of read(files, 'json/part-00000.json', columns)) {
    expect([...faults]).toEqual([[0, 'brand holds no text']]);
  }
  expect.assertions(1);
});
