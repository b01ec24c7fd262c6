import { expect, test } from 'vitest';
import { featureColumns } from '../../src/export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../../src/export/features-table.ts';
import { fromFloat16, roundToFloat16, toFloat16 } from '../../src/export/float16.ts';
import { tableReader } from '../../src/export/formats.ts';
import { type TableBatch, uncheckedFiles } from '../../src/export/table-batch.ts';
import { FORMAT_NAMES } from '../../src/options/extract-options.ts';
import { memoryStore, sampleRows, writeParts } from './sample.ts';

/** The bits of all finite values from 0 on. */
const FINITE = Uint16Array.from({ length: 0x7c00 }, (_, half) => half);

/** Positions of bits that are not those expected. */
function differences(found: Uint16Array, expected: Uint16Array): number[] {
  return [...expected.keys()].filter((i) => found[i] !== expected[i]);
}

test('gives the bits of float16 the values that IEEE 754 says', () => {
  const bits = [0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3555, 0x3c00, 0xc000, 0x7bff, 0x7c00];
  const values = [0, -0, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 0.333251953125, 1, -2, 65504];
  expect([...fromFloat16(Uint16Array.from(bits))]).toEqual([...values, Number.POSITIVE_INFINITY]);
  expect(fromFloat16(Uint16Array.of(0x7e00))[0]).toBeNaN();
});

test('rounds every value that float16 holds to itself, of both signs', () => {
  expect(differences(toFloat16(fromFloat16(FINITE)), FINITE)).toEqual([]);
  const negative = FINITE.map((half) => half | 0x8000);
  expect(differences(toFloat16(fromFloat16(negative)), negative)).toEqual([]);
});

test('rounds to the nearer of two neighbours, and in the middle to the even one', () => {
  const values = Float64Array.from(fromFloat16(FINITE));
  const middles = Float32Array.from(values, (value, i) => (value + (values[i + 1] ?? 65536)) / 2);
  const bits = new Uint32Array(middles.buffer);
  const next = (step: number) => new Float32Array(bits.map((one) => one + step).buffer);
  expect(
    differences(
      toFloat16(middles),
      FINITE.map((half) => half + (half & 1)),
    ),
  ).toEqual([]);
  expect(differences(toFloat16(next(-1)), FINITE)).toEqual([]);
  expect(
    differences(
      toFloat16(next(1)),
      FINITE.map((half) => half + 1),
    ),
  ).toEqual([]);
});

test('rounding in place gives the values of the bits', () => {
  const values = Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i) * 10 ** ((i % 13) - 8));
  const rounded = values.slice();
  roundToFloat16(rounded);
  expect(Buffer.from(rounded.buffer)).toEqual(Buffer.from(fromFloat16(toFloat16(values)).buffer));
});

test('every format holds the same numbers in the types of the columns', async () => {
  const output = { layer: 'pixels', pool: 'none', length: 5 } as const;
  const types = { vector: 'float16', reduced: 'float32' } as const;
  const columns = featureColumns('pixels', [output], 2, undefined, types);
  const schema = featureSchema(columns);
  const rows = sampleRows(3, 5, 2);
  const store = memoryStore();
  const files = await writeParts(store, FORMAT_NAMES, schema, [[rows]]);
  const expected = {
    vectors: fromFloat16(toFloat16(rows.vectors[0])),
    vectors_redux: Float64Array.from(rows.reduced[0], Math.fround),
  };
  for (const format of FORMAT_NAMES) {
    const read = await tableReader(format);
    const { name } = files.find((file) => file.name.startsWith(format))!;
    const batches: TableBatch[] = [];
    for await (const batch of read(uncheckedFiles(store), name, columns)) batches.push(batch);
    expect(batches.map(({ n, faults }) => [n, faults.size])).toEqual([[3, 0]]);
    const [{ numbers }] = batches;
    expect(numbers.get('vectors_redux'), format).toEqual(expected.vectors_redux);
    if (format !== 'csv') expect(numbers.get('vectors'), format).toEqual(expected.vectors);
  }
  expect(store.files.get('npy/vectors.npy')!.toString('latin1')).toContain("'descr': '<f2'");
  expect(store.files.get('npy/vectors_redux.npy')!.toString('latin1')).toContain("'<f4'");
  expect(store.files.get('npy/vectors.npy')!.length).toBe(128 + 3 * 5 * 2);
});

test('refuses a number beyond the range of a type, and names row and column', () => {
  const output = { layer: 'pixels', pool: 'none', length: 2 } as const;
  const types = { vector: 'float16', reduced: 'float32' } as const;
  const schema = featureSchema(featureColumns('pixels', [output], 1, undefined, types));
  const rowsOf = (vector: number, reduced: number) => ({
    origins: ['a.png', 'b.png'],
    targets: ['x', 'x'],
    vectors: [Float32Array.of(1, 2, 3, vector)],
    reduced: [Float64Array.of(1, reduced)],
  });
  expect(buildRecordBatch(schema, rowsOf(65519, 2)).numRows).toBe(2);
  expect(() => buildRecordBatch(schema, rowsOf(-65520, 2))).toThrow(
    'Expected numbers within ±65504 for column vectors but found -65520 in the row of b.png.',
  );
  expect(() => buildRecordBatch(schema, rowsOf(4, 1e39))).toThrow(
    'Expected numbers in the range of float32 for column vectors_redux but found 1e+39 in the row of b.png.',
  );
});
