import { expect, test } from 'vitest';
import { featureColumns } from '../../src/export/column-names.ts';
import { featureSchema } from '../../src/export/features-table.ts';
import { HOSTILE_NAMES, memoryStore, sampleRows, writeParts } from './sample.ts';

const PART = 'json/part-00000.json';
const outputs = (length: number) => [{ layer: 'fc2', pool: 'none' as const, length }];
const linesOf = (text: string) => text.trimEnd().split('\n');

test('writes one object a line, numbers always with a point or an exponent', async () => {
  const store = memoryStore();
  const schema = featureSchema(featureColumns('pixels', outputs(4), 3));
  const rows = {
    origins: ['in/a.jpg', 'in/b.jpg'],
    targets: ['x', 'y'],
    vectors: [Float32Array.of(255, 0, 0.1, -0, 1e-9, 1.5, -2, 16777216)],
    reduced: [Float64Array.of(0.1, -2, -0, 1e300, 1 / 3, 123456789)],
  };
  await writeParts(store, ['json'], schema, [[rows]]);
  expect(String(store.files.get(PART))).toBe(
    '{"origin":"in/a.jpg","target":"x","vectors":[255.0,0.0,0.1,-0.0],"vectors_redux":[0.1,-2.0,-0.0]}\n' +
      '{"origin":"in/b.jpg","target":"y","vectors":[1e-9,1.5,-2.0,16777216.0],"vectors_redux":[1e+300,0.3333333333333333,123456789.0]}\n',
  );
});

test('reads back the same names and the same float32 and float64 values', async () => {
  const store = memoryStore();
  const n = HOSTILE_NAMES.length;
  const rows = sampleRows(n, 100, 7, HOSTILE_NAMES);
  await writeParts(store, ['json'], featureSchema(featureColumns('vgg16', outputs(100), 7)), [
    [rows],
  ]);
  const found = linesOf(String(store.files.get(PART))).map((line) => JSON.parse(line));
  expect(found.map((row) => row.origin)).toEqual(HOSTILE_NAMES);
  expect(found.map((row) => row.target)).toEqual([...HOSTILE_NAMES].reverse());
  const vectors = Float32Array.from(found.flatMap((row) => row.cnn_vectors));
  expect(Buffer.from(vectors.buffer).equals(Buffer.from(rows.vectors[0].buffer))).toBe(true);
  expect(found.flatMap((row) => row.cnn_vectors_redux)).toEqual(Array.from(rows.reduced[0]));
});

test('writes rows longer than its buffer, and many rows, without losing a byte', async () => {
  const store = memoryStore();
  const long = sampleRows(3, 200_000, 0);
  const many = sampleRows(20_000, 20, 0);
  await writeParts(store, ['json'], featureSchema(featureColumns('pixels', outputs(200_000), 0)), [
    [long],
  ]);
  expect(
    linesOf(String(store.files.get(PART))).map((line) => JSON.parse(line).vectors[199_999]),
  ).toEqual([199_999, 399_999, 599_999].map((i) => expect.closeTo(i / 7 - 3, 1)));
  await writeParts(store, ['json'], featureSchema(featureColumns('pixels', outputs(20), 0)), [
    [],
    [many],
  ]);
  const found = linesOf(String(store.files.get('json/part-00001.json')));
  expect(found).toHaveLength(20_000);
  expect(JSON.parse(found[19_999]).origin).toBe('in/019999.jpg');
  expect(store.files.get(PART)).toHaveLength(0);
});

test('follows the columns chosen and their order', async () => {
  const store = memoryStore();
  const [origin, , vectors] = featureColumns('pixels', outputs(2), 0);
  await writeParts(store, ['json'], featureSchema([vectors, origin]), [[sampleRows(1, 2, 0)]]);
  expect(String(store.files.get(PART))).toBe(
    '{"vectors":[-3.0,-2.857143],"origin":"in/000000.jpg"}\n',
  );
});
