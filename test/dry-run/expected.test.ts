import { expect, test } from 'vitest';
import { expectedOutput, expectedStateBytes, expectedTime } from '../../src/dry-run/expected.ts';
import { featureColumns } from '../../src/export/column-names.ts';
import { featureSchema } from '../../src/export/features-table.ts';
import { FORMAT_NAMES } from '../../src/options/extract-options.ts';
import { memoryStore, sampleRows, writeParts } from '../export/sample.ts';

test.each([
  ['pixels', 300, 10],
  ['vgg16', 64, 3],
  ['vgg16', 64, 0],
])(
  'what is written is at most what was expected: %s, %i values, k = %i',
  async (mode, length, k) => {
    const columns = featureColumns(mode, [{ layer: 'x', pool: 'none', length }], k);
    const store = memoryStore();
    const rows = sampleRows(200, length, k);
    const [values] = rows.vectors;
    if (mode === 'pixels') values!.set(values!.map((_, i) => Math.imul(i, 2654435761) >>> 24));
    const files = await writeParts(store, FORMAT_NAMES, featureSchema(columns), [[rows]]);
    const nameBytes = [...rows.origins, ...rows.targets].join('').length;
    const expected = expectedOutput(FORMAT_NAMES, {
      rows: 200,
      columns,
      nameBytes,
      isPixels: mode === 'pixels',
    });
    for (const { format, bytes } of expected) {
      const written = files
        .filter(({ name }) => name.startsWith(`${format}/`))
        .reduce((sum, file) => sum + file.bytes, 0);
      expect(written, format).toBeLessThanOrEqual(bytes);
      // An upper bound that says nothing would be no help.
      expect(written, format).toBeGreaterThan(bytes / 4);
    }
  },
);

test('the state of a run is its vectors as float32', () => {
  const columns = featureColumns('vgg16', [{ layer: 'x', pool: 'none', length: 64 }], 3);
  expect(expectedStateBytes({ rows: 10, columns })).toBe(2560);
});

test('a GPU computes while others decode; a CPU does one after the other', () => {
  const rate = { imagesPerSecond: 10, from: 'run' } as const;
  const onCpu = expectedTime(1000, 20, { device: 'cpu', ...rate })!;
  const onCuda = expectedTime(1000, 20, { device: 'cuda', ...rate })!;
  expect(onCpu.seconds).toBeCloseTo(153);
  expect(onCuda.seconds).toBeCloseTo(103);
  expect(onCpu.least).toBeLessThan(onCpu.seconds);
  expect(onCpu.most).toBeGreaterThan(onCpu.seconds);
});

test('without a rate there is no time', () => {
  expect(expectedTime(1000, 20, undefined)).toBeUndefined();
  expect(expectedTime(1000, null, 'none')).toBeUndefined();
});
