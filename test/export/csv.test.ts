import { expect, test } from 'vitest';
import { delimitedRecords } from '../../src/delimited-text.ts';
import { featureColumns } from '../../src/export/column-names.ts';
import { csvText } from '../../src/export/csv.ts';
import { buildRecordBatch, featureSchema } from '../../src/export/features-table.ts';
import { openSinks } from '../../src/export/formats.ts';
import { textLines } from '../../src/storage/byte-streams.ts';
import { HOSTILE_NAMES, memoryStore, sampleRows, writeParts } from './sample.ts';

const FILE = 'csv/features.csv';
const fc2 = (length: number) => ({ layer: 'fc2', pool: 'none' as const, length });

async function parse(text: string): Promise<string[][]> {
  const records: string[][] = [];
  const bytes = async function* () {
    yield Buffer.from(text);
  };
  for await (const record of delimitedRecords(textLines(bytes()))) records.push(record);
  return records;
}

test('writes one matrix of reduced vectors for all parts', async () => {
  const store = memoryStore();
  const rows = (origin: string, ...pcs: number[]) => ({
    origins: [origin],
    targets: ['x'],
    vectors: [new Float32Array(3)],
    reduced: [Float64Array.from(pcs)],
  });
  const schema = featureSchema(featureColumns('vgg16', [fc2(3)], 2));
  await writeParts(store, ['csv'], schema, [[rows('a.jpg', 0.5, -1)], [rows('b.jpg', 1e-7, 2.25)]]);
  expect(String(store.files.get(FILE))).toBe(
    'origin,target,pc1,pc2\na.jpg,x,0.5,-1.0\nb.jpg,x,1e-7,2.25\n',
  );
});

test('writes the vectors themselves when nothing is reduced', async () => {
  const store = memoryStore();
  const schema = featureSchema(featureColumns('pixels', [fc2(3)], 0));
  await writeParts(store, ['csv'], schema, [[sampleRows(1, 3, 0)]]);
  expect(String(store.files.get(FILE))).toBe(
    'origin,target,f1,f2,f3\nin/000000.jpg,class 0,-3.0,-2.857143,-2.7142856\n',
  );
});

test('puts the layer before the component when there are several', async () => {
  const store = memoryStore();
  const schema = featureSchema(featureColumns('vgg16', [fc2(1), { ...fc2(1), layer: 'a,b' }], 2));
  const rows = sampleRows(1, 1, 2);
  const double = {
    ...rows,
    vectors: [rows.vectors[0], rows.vectors[0]],
    reduced: [rows.reduced[0], rows.reduced[0]],
  };
  await writeParts(store, ['csv'], schema, [[double]]);
  expect(String(store.files.get(FILE)).split('\n')[0]).toBe(
    'origin,target,fc2_pc1,fc2_pc2,"a,b_pc1","a,b_pc2"',
  );
});

test('gives hostile names back, and none of them to a spreadsheet as a formula', async () => {
  const store = memoryStore();
  const n = HOSTILE_NAMES.length;
  const schema = featureSchema(featureColumns('pixels', [fc2(2)], 1));
  await writeParts(store, ['csv'], schema, [[sampleRows(n, 2, 1, HOSTILE_NAMES)]]);
  const [, ...records] = await parse(String(store.files.get(FILE)));
  expect(records.map(([origin]) => origin.replace(/^'/, ''))).toEqual(HOSTILE_NAMES);
  expect(records.map((record) => record.length)).toEqual(Array(n).fill(3));
  expect(records.filter(([origin, target]) => /^[=+\-@\t\r\n]/.test(origin + target))).toEqual([]);
});

test.each([
  ['plain.jpg', 'plain.jpg'],
  ['=1+1', "'=1+1"],
  ['@x', "'@x"],
  ["'x", "''x"],
  ['a,b', '"a,b"'],
  ['="a"', '"\'=""a"""'],
  ['x=1', 'x=1'],
  ['-1', '-1'],
  ['+1', '+1'],
  ['-1.5e3', '-1.5e3'],
  ['+.5', '+.5'],
  ['-1\n', '"\'-1\n"'],
  ['-2+3', "'-2+3"],
  ['+1.jpg', "'+1.jpg"],
  ['-', "'-"],
  ['', ''],
])('writes the text %j as %s', (text, cell) => {
  expect(csvText(text)).toBe(cell);
});

test('says that names got an apostrophe, and which', async () => {
  const store = memoryStore();
  const schema = featureSchema(featureColumns('pixels', [fc2(2)], 0));
  const notes: string[] = [];
  const rows = { ...sampleRows(3, 2, 0, ['=a.jpg', 'b.jpg', '-1']), targets: ['-1', '+1', '-x'] };
  const sinks = await openSinks({
    ...{ store, formats: ['csv'], schema, metadata: {} },
    onNote: (note) => notes.push(note),
  });
  await sinks.write(buildRecordBatch(schema, rows));
  await sinks.finish();
  expect(String(store.files.get(FILE)).split('\n').slice(1, 4)).toEqual([
    expect.stringMatching(/^'=a.jpg,-1,/),
    expect.stringMatching(/^b.jpg,\+1,/),
    expect.stringMatching(/^-1,'-x,/),
  ]);
  expect(notes).toEqual([
    'csv/features.csv: an apostrophe stands before 2 origins and classes, which a spreadsheet would run as formulas (=a.jpg). Readers drop it; other formats have none.',
  ]);
});
