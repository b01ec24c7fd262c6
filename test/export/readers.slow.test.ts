import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { type ColumnTypes, featureColumns } from '../../src/export/column-names.ts';
import { featureSchema } from '../../src/export/features-table.ts';
import { fromFloat16, toFloat16 } from '../../src/export/float16.ts';
import { FORMAT_NAMES } from '../../src/options/extract-options.ts';
import { npyHeader } from '../../src/reduce/npy.ts';
import { loadScript } from '../scripts/load-script.ts';
import { skipNow } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { memoryStore, writeParts } from './sample.ts';

const { pythonEnvironment } = await loadScript('lib/python-environment.mjs');
const [ROWS, LENGTH, K] = [60, 1024, 10];

/** Like features after a ReLU: half of them zero, of very different sizes. */
function features() {
  const origins = Array.from({ length: ROWS }, (_, row) => `class/${1000 + row}.jpg`);
  const noise = (i: number) => ((i * 0.6180339887) % 1) - 0.5;
  return {
    origins,
    targets: origins.map(() => 'class'),
    vectors: [
      Float32Array.from({ length: ROWS * LENGTH }, (_, i) => Math.max(0, noise(i)) ** 3 * 90),
    ],
    reduced: [Float64Array.from({ length: ROWS * K }, (_, i) => noise(7 * i) * 33)],
  };
}

const FLOATS = ['list<element: float not null>', 'list<element: double not null>'];
const HALVES = ['list<element: halffloat not null>', 'list<element: float not null>'];
const SAME = [true, true];

test.for<ColumnTypes & { readers: Record<string, unknown> }>([
  {
    vector: 'float32',
    reduced: 'float64',
    readers: {
      pyarrow: [...FLOATS, ...SAME],
      'pyarrow, Feather': [...FLOATS, ...SAME],
      pandas: ['float32', 'float64', ...SAME],
      'pandas, Feather': ['float32', 'float64', ...SAME],
      polars: ['List(Float32)', 'List(Float64)', ...SAME],
      'polars, Feather': ['List(Float32)', 'List(Float64)', ...SAME],
      DuckDB: ['FLOAT[]', 'DOUBLE[]', ...SAME],
      numpy: ['float32', 'float64', ...SAME],
      'pandas, JSON lines': ['json', 'json', ...SAME],
    },
  },
  {
    vector: 'float16',
    reduced: 'float32',
    readers: {
      pyarrow: [...HALVES, ...SAME],
      'pyarrow, Feather': [...HALVES, ...SAME],
      pandas: ['float16', 'float32', ...SAME],
      'pandas, Feather': ['float16', 'float32', ...SAME],
      polars: ['List(Float16)', 'List(Float32)', ...SAME],
      'polars, Feather': ['List(Float16)', 'List(Float32)', ...SAME],
      DuckDB: ['FLOAT[]', 'FLOAT[]', ...SAME],
      numpy: ['float16', 'float32', ...SAME],
      'pandas, JSON lines': ['json', 'json', ...SAME],
    },
  },
])(
  'pyarrow, pandas, polars, DuckDB and numpy read the numbers of $vector and $reduced',
  { timeout: 600_000 },
  async ({ readers, ...types }, context) => {
    let python: string;
    try {
      python = pythonEnvironment('readers', join(import.meta.dirname, 'requirements-readers.txt'));
    } catch (error) {
      return skipNow(context, `the readers cannot be installed: ${error}`);
    }
    const store = memoryStore();
    const rows = features();
    const output = { layer: 'pixels', pool: 'none', length: LENGTH } as const;
    const schema = featureSchema(featureColumns('pixels', [output], K, undefined, types));
    await writeParts(store, FORMAT_NAMES, schema, [[rows]]);
    const isHalf = types.vector === 'float16';
    const vectors = isHalf ? fromFloat16(toFloat16(rows.vectors[0])) : rows.vectors[0];
    const reduced = isHalf ? Float32Array.from(rows.reduced[0]) : rows.reduced[0];
    const npy = (values: Float32Array | Float64Array) => {
      const header = npyHeader(values instanceof Float32Array ? '<f4' : '<f8', [
        ROWS,
        values.length / ROWS,
      ]);
      return Buffer.concat([header, new Uint8Array(values.buffer)]);
    };
    store.files.set('before.npy', npy(rows.vectors[0]));
    store.files.set('expected-vectors.npy', npy(vectors));
    store.files.set('expected-vectors_redux.npy', npy(reduced));
    const dir = await temporaryFolder();
    for (const [name, bytes] of store.files) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), bytes);
    }
    const script = join(import.meta.dirname, 'read_tables.py');
    const text = execFileSync(python, [script, types.reduced], { cwd: dir, encoding: 'utf8' });
    const { found, cosine } = JSON.parse(text);
    expect(found).toEqual(readers);
    expect(cosine).toBeGreaterThan(0.99999);
  },
);
