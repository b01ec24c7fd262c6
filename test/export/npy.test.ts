import { expect, test } from 'vitest';
import { featureColumns } from '../../src/export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../../src/export/features-table.ts';
import { openSinks } from '../../src/export/formats.ts';
import { npyFileName, readNpyTable } from '../../src/export/npy.ts';
import { uncheckedFiles } from '../../src/export/table-batch.ts';
import { decodeNpy } from '../../src/reduce/npy.ts';
import { HOSTILE_NAMES, memoryStore, sampleRows } from './sample.ts';

const schema = featureSchema(
  featureColumns('vgg16', [{ layer: 'fc2', pool: 'none', length: 5 }], 2),
);
type Store = ReturnType<typeof memoryStore>;

async function write(store: Store, parts: ReturnType<typeof sampleRows>[], rows?: number) {
  const known = rows ?? parts.reduce((sum, { origins }) => sum + origins.length, 0);
  const sinks = await openSinks({ store, formats: ['npy'], schema, metadata: {}, rows: known });
  for (let i = 0; i < parts.length; i++) {
    await sinks.beginPart(i);
    await sinks.write(buildRecordBatch(schema, parts[i]!));
    await sinks.endPart();
  }
  return sinks.finish();
}

async function readBack(store: Store) {
  const rows: { origin: string | undefined; fault: string | undefined }[] = [];
  for (const file of await store.list('npy')) {
    const files = uncheckedFiles(store);
    for await (const { n, origins, faults } of readNpyTable(files, `npy/${file}`, schema.columns)) {
      for (let row = 0; row < n; row++) {
        rows.push({ origin: origins?.[row], fault: faults.get(row) });
      }
    }
  }
  return rows;
}

test('all parts are one matrix for each feature column, and one list of names', async () => {
  const store = memoryStore();
  const first = sampleRows(3, 5, 2);
  const second = sampleRows(2, 5, 2, ['z/1.jpg', 'z/2.jpg']);
  const files = await write(store, [first, second]);
  expect(files.map(({ name }) => name)).toEqual([
    'npy/index.jsonl',
    'npy/cnn_vectors.npy',
    'npy/cnn_vectors_redux.npy',
  ]);
  const vectors = decodeNpy(store.files.get('npy/cnn_vectors.npy')!, 'vectors');
  expect(vectors).toMatchObject({ dtype: 'float32', shape: [5, 5] });
  expect([...(vectors.data as Float32Array)]).toEqual([
    ...first.vectors[0]!,
    ...second.vectors[0]!,
  ]);
  const redux = decodeNpy(store.files.get('npy/cnn_vectors_redux.npy')!, 'redux');
  expect(redux).toMatchObject({ dtype: 'float64', shape: [5, 2] });
  expect([...(redux.data as Float64Array)]).toEqual([...first.reduced[0]!, ...second.reduced[0]!]);
});

test('names stay as they are, whatever is in them', async () => {
  const store = memoryStore();
  await write(store, [sampleRows(HOSTILE_NAMES.length, 5, 2, HOSTILE_NAMES)]);
  const lines = store.files.get('npy/index.jsonl')!.toString().trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).origin)).toEqual(HOSTILE_NAMES);
  expect(JSON.parse(lines[0]!).target).toBe(HOSTILE_NAMES.at(-1));
});

test('a table without rows is a matrix without rows', async () => {
  const store = memoryStore();
  await write(store, [sampleRows(0, 5, 2)]);
  expect(decodeNpy(store.files.get('npy/cnn_vectors.npy')!, 'x').shape).toEqual([0, 5]);
  expect(await readBack(store)).toEqual([]);
});

test('fewer rows than announced are an error, not a short file', async () => {
  await expect(write(memoryStore(), [sampleRows(3, 5, 2)], 4)).rejects.toThrow(
    'Expected 4 rows in the NumPy files but found 3.',
  );
});

test('without the number of rows nothing is begun', async () => {
  const opening = openSinks({ store: memoryStore(), formats: ['npy'], schema, metadata: {} });
  await expect(opening).rejects.toThrow(/Expected the number of rows/);
});

test('rows are read back once, from all files together', async () => {
  const store = memoryStore();
  await write(store, [sampleRows(3, 5, 2)]);
  expect(await readBack(store)).toEqual(
    sampleRows(3, 5, 2).origins.map((origin) => ({ origin, fault: undefined })),
  );
});

test('a damaged value, a cut matrix and a lost name are found', async () => {
  const store = memoryStore();
  await write(store, [sampleRows(3, 5, 2)]);
  const whole = store.files.get('npy/cnn_vectors.npy')!;

  const notFinite = Buffer.from(whole);
  notFinite.writeFloatLE(Number.NaN, whole.length - 8);
  store.files.set('npy/cnn_vectors.npy', notFinite);
  expect((await readBack(store)).at(-1)!.fault).toBe(
    'cnn_vectors holds something that is not a finite number',
  );

  store.files.set('npy/cnn_vectors.npy', whole.subarray(0, whole.length - 3));
  await expect(readBack(store)).rejects.toThrow('Expected 3 more bytes but found the end');

  store.files.set('npy/cnn_vectors.npy', Buffer.concat([whole, Buffer.from([0])]));
  await expect(readBack(store)).rejects.toThrow(/after its last row but found more/);

  store.files.set('npy/cnn_vectors.npy', whole);
  const lines = store.files.get('npy/index.jsonl')!.toString().split('\n');
  store.files.set('npy/index.jsonl', Buffer.from(lines.slice(1).join('\n')));
  await expect(readBack(store)).rejects.toThrow('Expected 3 rows in npy/index.jsonl but found 2');
});

test('a layer with a slash in its name has a file all the same', () => {
  expect(npyFileName('cnn_vectors_conv/relu:0')).toBe('cnn_vectors_conv_relu_0.npy');
});
