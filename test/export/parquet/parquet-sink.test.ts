import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { ExportError } from '../../../src/errors.ts';
import { featureColumns } from '../../../src/export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../../../src/export/features-table.ts';
import { openSinks, preloadSinks } from '../../../src/export/formats.ts';
import { readParquetBatches } from '../../../src/export/parquet/parquet-reader.ts';
import { HOSTILE_NAMES, memoryStore, sampleRows, writeParts } from '../sample.ts';

const PART = 'parquet/part-00000.parquet';
const fc2 = (length: number) => [{ layer: 'fc2', pool: 'none' as const, length }];

async function readBack(store: ReturnType<typeof memoryStore>, name = PART) {
  const rows: Record<string, unknown>[] = [];
  for (const batch of readParquetBatches(store.files.get(name)!, name)) {
    for (const row of batch) {
      const cells = Object.entries(row!.toJSON() as Record<string, unknown>);
      rows.push(
        Object.fromEntries(
          cells.map(([key, cell]) => [
            key,
            typeof cell === 'string'
              ? cell
              : Array.from((cell as { toArray(): Float64Array }).toArray()),
          ]),
        ),
      );
    }
  }
  return rows;
}

test('reads back the same rows with parquet-wasm, hostile names included', async () => {
  const store = memoryStore();
  const n = HOSTILE_NAMES.length;
  const rows = sampleRows(n, 5, 3, HOSTILE_NAMES);
  await writeParts(store, ['parquet'], featureSchema(featureColumns('vgg16', fc2(5), 3)), [[rows]]);
  expect(await readBack(store)).toEqual(
    HOSTILE_NAMES.map((origin, i) => ({
      origin,
      target: HOSTILE_NAMES[n - 1 - i],
      cnn_vectors: Array.from(rows.vectors[0].subarray(i * 5, i * 5 + 5)),
      cnn_vectors_redux: Array.from(rows.reduced[0].subarray(i * 3, i * 3 + 3)),
    })),
  );
});

test('reads back the same rows with parquetjs-lite', async () => {
  const store = memoryStore();
  const rows = sampleRows(100, 4, 2);
  await writeParts(store, ['parquet'], featureSchema(featureColumns('pixels', fc2(4), 2)), [
    [rows],
  ]);
  const { ParquetReader } = createRequire(import.meta.url)('parquetjs-lite');
  const reader = await ParquetReader.openBuffer(store.files.get(PART));
  const cursor = reader.getCursor();
  const found = [];
  for (let row = await cursor.next(); row !== null; row = await cursor.next()) found.push(row);
  const list = (values: ArrayLike<number>) => ({
    list: Array.from(values, (element) => ({ element })),
  });
  expect(found).toEqual(
    rows.origins.map((origin, i) => ({
      origin,
      target: `class ${i % 7}`,
      vectors: list(rows.vectors[0].subarray(i * 4, i * 4 + 4)),
      vectors_redux: list(rows.reduced[0].subarray(i * 2, i * 2 + 2)),
    })),
  );
});

test('gives the same bytes for the same rows, in one batch or in many', async () => {
  const schema = featureSchema(featureColumns('pixels', fc2(30), 4));
  const rows = sampleRows(900, 30, 4);
  const slice = (from: number, to: number) => ({
    origins: rows.origins.slice(from, to),
    targets: rows.targets.slice(from, to),
    vectors: [rows.vectors[0].subarray(from * 30, to * 30)],
    reduced: [rows.reduced[0].subarray(from * 4, to * 4)],
  });
  const stores = [memoryStore(), memoryStore(), memoryStore()];
  const metadata = { tool: 'img2features', mode: 'pixels' };
  await writeParts(stores[0], ['parquet'], schema, [[rows]], metadata);
  await writeParts(stores[1], ['parquet'], schema, [[rows]], {
    mode: 'pixels',
    tool: 'img2features',
  });
  await writeParts(
    stores[2],
    ['parquet'],
    schema,
    [[slice(0, 7), slice(7, 500), slice(500, 900)]],
    metadata,
  );
  const [first, again, pieces] = stores.map((store) => store.files.get(PART)!);
  expect(again.equals(first)).toBe(true);
  expect(pieces.equals(first)).toBe(true);
});

test('gives the same bytes when its encoder was warmed up', async () => {
  const schema = featureSchema(featureColumns('vgg16', fc2(50), 3));
  const parts = [
    [sampleRows(300, 50, 3), sampleRows(20, 50, 3), sampleRows(280, 50, 3)],
    [sampleRows(9, 50, 3)],
  ];
  const [cold, warm] = [memoryStore(), memoryStore()];
  await writeParts(cold, ['parquet'], schema, parts);
  await preloadSinks(['parquet'], schema, 1e6);
  await writeParts(warm, ['parquet'], schema, parts);
  expect(warm.files.size).toBe(2);
  expect(warm.files).toEqual(cold.files);
});

test('writes a table without rows', async () => {
  const store = memoryStore();
  const schema = featureSchema(featureColumns('pixels', fc2(3), 2));
  await writeParts(store, ['parquet'], schema, [[], [sampleRows(0, 3, 2)]]);
  expect(await readBack(store)).toEqual([]);
  expect(await readBack(store, 'parquet/part-00001.parquet')).toEqual([]);
  const { readParquet } = await import('parquet-wasm');
  const table = readParquet(store.files.get(PART)!);
  expect(table.schema.indexOf('vectors_redux')).toBe(3);
});

test('carries the provenance and standard three-level lists in its footer', async () => {
  const store = memoryStore();
  const schema = featureSchema(featureColumns('pixels', fc2(3), 0));
  const metadata = { mode: 'pixels', k: '0' };
  await writeParts(store, ['parquet'], schema, [[sampleRows(2, 3, 0)]], metadata);
  const { ParquetFile } = await import('parquet-wasm');
  const file = await ParquetFile.fromFile(new Blob([new Uint8Array(store.files.get(PART)!)]));
  const found = file.metadata();
  const provenance = found.fileMetadata().keyValueMetadata().get('img2features');
  expect(provenance).toBe('{"k":"0","mode":"pixels"}');
  const columns = found.rowGroup(0).columns();
  expect(columns.map((column) => column.columnPath().join('.'))).toEqual([
    'origin',
    'target',
    'vectors.list.element',
  ]);
});

test('ends in the error of the store, without hanging, when the disk is full', async () => {
  const store = sinkhole(1 << 20);
  const schema = featureSchema(featureColumns('vgg16', fc2(1000), 0));
  const sinks = await openSinks({ store, formats: ['parquet'], schema, metadata: {} });
  const rows = sampleRows(3000, 1000, 0);
  await sinks.beginPart(0);
  const writing = (async () => {
    for (let i = 0; i < 10; i++) await sinks.write(buildRecordBatch(schema, rows));
    await sinks.endPart();
  })();
  await expect(writing).rejects.toThrow(ExportError);
  await expect(writing).rejects.toThrow('a full disk');
  await sinks.abort();
  await sinks.abort();
  expect(store.aborted).toBe(1);
});

/** Takes bytes and forgets them, up to a limit. */
function sinkhole(limit = Number.POSITIVE_INFINITY) {
  let used = 0;
  const store = {
    ...memoryStore(),
    aborted: 0,
    create: async (name: string) => ({
      async write(bytes: Uint8Array) {
        used += bytes.length;
        if (used > limit) throw new ExportError('Expected room but found a full disk.');
      },
      commit: async () => ({ name, bytes: used, sha256: '' }),
      abort: async () => void store.aborted++,
    }),
  };
  return store;
}
