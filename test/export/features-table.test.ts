import { expect, test } from 'vitest';
import { featureColumns } from '../../src/export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../../src/export/features-table.ts';
import { HOSTILE_NAMES, sampleRows } from './sample.ts';

const schema = featureSchema(
  featureColumns('pixels', [{ layer: 'pixels', pool: 'none', length: 3 }], 2),
);

test('lays list columns over the given buffers without copying a value', () => {
  const rows = sampleRows(4, 3, 2);
  const batch = buildRecordBatch(schema, rows);
  expect(batch.schema.fields.map(String)).toEqual([
    'origin: Utf8',
    'target: Utf8',
    'vectors: List<Float32>',
    'vectors_redux: List<Float64>',
  ]);
  const vectors = batch.getChild('vectors')!.data[0];
  expect(vectors.children[0].values.buffer).toBe(rows.vectors[0].buffer);
  expect(Array.from(vectors.valueOffsets)).toEqual([0, 3, 6, 9, 12]);
  expect(batch.getChild('vectors_redux')!.data[0].children[0].values.buffer).toBe(
    rows.reduced[0].buffer,
  );
});

test('keeps text of every kind', () => {
  const n = HOSTILE_NAMES.length;
  const batch = buildRecordBatch(schema, sampleRows(n, 3, 2, HOSTILE_NAMES));
  expect([...batch.getChild('origin')!]).toEqual(HOSTILE_NAMES);
});

test('refuses columns of different lengths', () => {
  const rows = sampleRows(4, 3, 2);
  expect(() => buildRecordBatch(schema, { ...rows, targets: rows.targets.slice(1) })).toThrow(
    'Expected 4 values for column target but found 3; rows would be mixed up.',
  );
  expect(() => buildRecordBatch(schema, { ...rows, vectors: [new Float32Array(13)] })).toThrow(
    'Expected 12 values for column vectors but found 13',
  );
  expect(() => buildRecordBatch(schema, { ...rows, reduced: [] })).toThrow(
    'Expected 8 values for column vectors_redux but found 0',
  );
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  'refuses %s and names the image',
  (value) => {
    const rows = sampleRows(4, 3, 2);
    rows.vectors[0][7] = value;
    expect(() => buildRecordBatch(schema, rows)).toThrow(
      `Expected finite numbers for column vectors but found ${value} in the row of in/000002.jpg.`,
    );
  },
);
