import { Table, tableToIPC } from 'apache-arrow';
import { expect, test } from 'vitest';
import { ExportError } from '../../../src/errors.ts';
import { featureColumns } from '../../../src/export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../../../src/export/features-table.ts';
import { ParquetEncoder } from '../../../src/export/parquet/parquet-encoder.ts';
import { sampleRows } from '../sample.ts';

const schema = featureSchema(
  featureColumns('vgg16', [{ layer: 'fc2', pool: 'none', length: 1000 }], 0),
);
const layout = { textColumns: ['origin', 'target'], rowGroupRows: 8000, metadata: {} };

/** 4 MB for 1,000 rows. */
function ipcOf(rows: number): Uint8Array<ArrayBuffer> {
  const batch = buildRecordBatch(schema, sampleRows(rows, 1000, 0));
  return tableToIPC(new Table([batch]), 'stream') as Uint8Array<ArrayBuffer>;
}

test('its memory does not grow with the number of files', { timeout: 30_000 }, async () => {
  const encoder = new ParquetEncoder();
  const sizes: number[] = [];
  for (let file = 0; file < 6; file++) {
    encoder.begin(layout, async () => {});
    for (let batch = 0; batch < 3; batch++) await encoder.add(ipcOf(1000));
    await encoder.end();
    sizes.push(encoder.memoryBytes);
  }
  await encoder.close();
  expect(sizes[0]).toBeGreaterThan(0);
  expect(sizes[5]).toBe(sizes[2]);
  expect(sizes[5]).toBeLessThan(100e6);
});

test('a slow disk holds the batches up: no more than two wait for it', async () => {
  const encoder = new ParquetEncoder();
  let release = () => {};
  const isSlow = new Promise<void>((resolve) => {
    release = resolve;
  });
  encoder.begin({ ...layout, rowGroupRows: 1000 }, () => isSlow);
  let added = 0;
  const adding = (async () => {
    for (; added < 8; added++) await encoder.add(ipcOf(1000));
    await encoder.end();
  })();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(added).toBeLessThanOrEqual(4);
  release();
  await adding;
  expect(added).toBe(8);
  await encoder.close();
});

test('bytes that are no batch are one clear error, and so is every later call', async () => {
  const encoder = new ParquetEncoder();
  encoder.begin(layout, async () => {});
  await encoder.add(new Uint8Array(64));
  await expect(encoder.end()).rejects.toThrow(ExportError);
  await expect(encoder.end()).rejects.toThrow(/^Expected to encode Parquet but found: /);
  await encoder.close();
});

test('a thread that is gone is an error, not a wait', async () => {
  const encoder = new ParquetEncoder();
  encoder.begin(layout, async () => {});
  const ending = expect(
    (async () => {
      for (;;) await encoder.add(ipcOf(10));
    })(),
  ).rejects.toThrow('that it was stopped');
  await encoder.close();
  await ending;
});
