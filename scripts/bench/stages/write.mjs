import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { featureColumns } from '../../../dist/export/column-names.js';
import { buildRecordBatch, featureSchema } from '../../../dist/export/features-table.js';
import { openSinks, preloadSinks, tableReader } from '../../../dist/export/formats.js';
import { openOutput } from '../../../dist/storage/open-output.js';
import { median, repeated, round, spread, timed } from '../lib/measure.mjs';

const PYARROW = fileURLToPath(new URL('./pyarrow_write.py', import.meta.url));
const [ROWS, LENGTH, BATCH] = [10_000, 1000, 512];
const FORMATS = ['parquet', 'json', 'csv'];

/**
 * Writing 10,000 rows of a list of 1,000 float32, durably, to the scratch folder: Parquet in MB of values, JSON and CSV
 * in MB of text, by the clock and by processor time. Every file is read back: all rows, in order, all finite. With a Python
 * that has pyarrow, its write of the same rows with the same settings, and the ratio.
 * @param {{ repeat: number, scratch: string, python?: string }} options
 */
export async function* write({ repeat, scratch, python }) {
  const schema = featureSchema(columnsOfBench());
  const batches = makeBatches(schema);
  for (const format of FORMATS) {
    const dir = join(scratch, `write-${format}`);
    let file;
    const found = await repeated(repeat, async () => {
      rmSync(dir, { recursive: true, force: true });
      const sinks = await open(dir, format, schema);
      const { seconds, processorMs } = await timed(async () => {
        file = await writePart(sinks, batches);
      });
      const bytes = format === 'parquet' ? ROWS * LENGTH * 4 : file.bytes;
      return { byClock: bytes / 1e6 / seconds, byProcessor: bytes / 1e3 / processorMs };
    });
    await expectWhole(dir, format, file.name);
    const of = format === 'parquet' ? 'values' : 'text';
    const what = `${format}, 10,000 rows of 1,000 float32`;
    const row = (unit, values) => ({ stage: 'write', what, unit, ...spread(values) });
    yield row(
      `MB of ${of}/s`,
      found.map(({ byClock }) => byClock),
    );
    yield row(
      `MB of ${of} per second of one core`,
      found.map(({ byProcessor }) => byProcessor),
    );
    if (format === 'parquet' && python !== undefined) {
      const args = [PYARROW, join(dir, file.name), dir, String(repeat)];
      const { seconds } = JSON.parse(execFileSync(python, args, { encoding: 'utf8' }));
      const rates = seconds.map((/** @type {number} */ one) => (ROWS * LENGTH * 4) / 1e6 / one);
      yield { ...row('MB of values/s', rates), what: `${what}: pyarrow` };
      const ratio = round(median(found.map(({ byClock }) => byClock)) / median(rates));
      yield { ...row('×', [ratio]), what: `${what}: times as fast as pyarrow` };
    }
    rmSync(dir, { recursive: true, force: true });
  }
}

/** With an empty first part written: a run loads the formats, and warms Parquet's thread up, while images are read. */
async function open(dir, format, schema) {
  const onEvent = () => {};
  const s3 = /** @type {any} */ ({}); // a folder asks nothing of it
  const store = await openOutput(dir, { s3, signal: new AbortController().signal, onEvent });
  await preloadSinks([format], schema, ROWS);
  const sinks = await openSinks({ store, formats: [format], schema, metadata: {} });
  await sinks.beginPart(0);
  await sinks.endPart();
  return sinks;
}

async function writePart(sinks, batches) {
  await sinks.beginPart(1);
  for (const batch of batches) await sinks.write(batch);
  await sinks.endPart();
  return (await sinks.finish()).at(-1);
}

async function expectWhole(dir, format, name) {
  const read = await tableReader(format);
  const whole = async (/** @type {string} */ file) => readFileSync(join(dir, file));
  const files = {
    whole,
    stream: async function* (/** @type {string} */ file) {
      yield await whole(file);
    },
  };
  let rows = 0;
  for await (const { n, origins, faults } of read(files, name, columnsOfBench())) {
    const [fault] = faults.values();
    if (fault !== undefined) throw new Error(`Expected finite numbers but found that ${fault}.`);
    for (let row = 0; row < n; row++, rows++) {
      const found = origins?.[row];
      if (found !== nameOf(rows)) {
        throw new Error(`Expected row ${nameOf(rows)} but found ${found}.`);
      }
    }
  }
  if (rows !== ROWS) throw new Error(`Expected ${ROWS} rows in ${name} but found ${rows}.`);
}

function columnsOfBench() {
  return featureColumns('pixels', [{ layer: 'pixels', pool: 'none', length: LENGTH }], 0);
}

/** Like a ReLU layer: half zeros, and values of all sizes. */
function makeBatches(schema) {
  const batches = [];
  for (let first = 0; first < ROWS; first += BATCH) {
    const n = Math.min(BATCH, ROWS - first);
    const origins = Array.from({ length: n }, (_, i) => nameOf(first + i));
    const values = Float32Array.from({ length: n * LENGTH }, (_, i) => {
      return Math.max(0, Math.sin(first * 7.1 + i * 1.7) * 10 ** ((i % 5) - 2));
    });
    const rows = { origins, targets: origins.map(() => 'class'), vectors: [values], reduced: [] };
    batches.push(buildRecordBatch(schema, rows));
  }
  return batches;
}

function nameOf(row) {
  return `dataset/class/${String(row).padStart(6, '0')}.jpg`;
}
