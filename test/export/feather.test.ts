import { tableFromIPC } from 'apache-arrow';
import { expect, test } from 'vitest';
import { featureColumns } from '../../src/export/column-names.ts';
import { readFeatherTable } from '../../src/export/feather.ts';
import { featureSchema } from '../../src/export/features-table.ts';
import { uncheckedFiles } from '../../src/export/table-batch.ts';
import { HOSTILE_NAMES, memoryStore, sampleRows, writeParts } from './sample.ts';

const schema = featureSchema(
  featureColumns('vgg16', [{ layer: 'fc2', pool: 'none', length: 5 }], 2),
);

test('each part is an Arrow file with a record batch for each write', async () => {
  const store = memoryStore();
  const files = await writeParts(
    store,
    ['feather'],
    schema,
    [[sampleRows(3, 5, 2), sampleRows(2, 5, 2)], [sampleRows(4, 5, 2)]],
    { b: '2', a: '1' },
  );
  expect(files.map(({ name }) => name)).toEqual([
    'feather/part-00000.feather',
    'feather/part-00001.feather',
  ]);
  const bytes = store.files.get('feather/part-00000.feather')!;
  expect(bytes.subarray(0, 6).toString()).toBe('ARROW1');
  expect(bytes.subarray(-6).toString()).toBe('ARROW1');
  const table = tableFromIPC(bytes);
  expect(table.batches.map(({ numRows }) => numRows)).toEqual([3, 2]);
  expect(table.schema.metadata.get('img2features')).toBe('{"a":"1","b":"2"}');
  const rows = sampleRows(3, 5, 2);
  expect(table.get(2)!.toJSON().origin).toBe(rows.origins[2]);
  expect([...table.get(2)!.toJSON().cnn_vectors]).toEqual([...rows.vectors[0]!.subarray(10, 15)]);
  expect([...table.get(2)!.toJSON().cnn_vectors_redux]).toEqual([...rows.reduced[0]!.slice(4, 6)]);
});

test('the caller may use its buffers again at once', async () => {
  const store = memoryStore();
  const rows = sampleRows(3, 5, 2);
  const expected = [...rows.vectors[0]!.subarray(0, 5)];
  const { openSinks } = await import('../../src/export/formats.ts');
  const { buildRecordBatch } = await import('../../src/export/features-table.ts');
  const sinks = await openSinks({ store, formats: ['feather'], schema, metadata: {} });
  await sinks.beginPart(0);
  await sinks.write(buildRecordBatch(schema, rows));
  rows.vectors[0]!.fill(7);
  await sinks.endPart();
  await sinks.finish();
  const table = tableFromIPC(store.files.get('feather/part-00000.feather')!);
  expect([...table.get(0)!.toJSON().cnn_vectors]).toEqual(expected);
});

test('a part without rows is a table without rows', async () => {
  const store = memoryStore();
  await writeParts(store, ['feather'], schema, [[]]);
  const table = tableFromIPC(store.files.get('feather/part-00000.feather')!);
  expect(table.numRows).toBe(0);
  expect(table.schema.fields.map(({ name }) => name)).toEqual([
    'origin',
    'target',
    'cnn_vectors',
    'cnn_vectors_redux',
  ]);
});

test('the same rows give the same bytes, and hostile names come back', async () => {
  const [one, two] = [memoryStore(), memoryStore()];
  const rows = sampleRows(HOSTILE_NAMES.length, 5, 2, HOSTILE_NAMES);
  for (const store of [one, two]) await writeParts(store, ['feather'], schema, [[rows]]);
  expect(two.files).toEqual(one.files);
  const found = [];
  const name = 'feather/part-00000.feather';
  for await (const batch of readFeatherTable(uncheckedFiles(one), name, schema.columns)) {
    found.push(...batch.origins!);
    expect(batch.faults.size).toBe(0);
  }
  expect(found).toEqual(HOSTILE_NAMES);
});
