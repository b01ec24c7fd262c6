/** What everything but the network carries: whole runs with an engine that answers at once. */
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatchMemory } from '../../../dist/engine/batch-memory.js';
import { openEnginePool } from '../../../dist/engine/engine-pool.js';
import { parseLayers } from '../../../dist/engine/parse-layers.js';
import { DecodePool } from '../../../dist/image/pool/decode-pool.js';
import { conv2d, flatten, input } from '../../../dist/model/architectures/keras-layers.js';
import { readModelFolder } from '../../../dist/model/read-model-folder.js';
import { writeModelFolder } from '../../../dist/model/write-model-folder.js';
import { chooseDevice } from '../../../dist/runtime/choose-device.js';
import { locateRuntime } from '../../../dist/runtime/locate-runtime.js';
import { imagesOf, linkMany } from '../lib/dataset.mjs';
import { inTurn, repeated, spread, timed, timedProcess } from '../lib/measure.mjs';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const INSTANT = fileURLToPath(new URL('../lib/instant-engine.cjs', import.meta.url));
const SIDE = 224;
const IMAGES = 16_384;
/** @type {import('../../../dist/image/decoded-chunk.js').DecodeOptions} */
const DECODE = {
  width: SIDE,
  height: SIDE,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 50e6,
  tiff: false,
};
const FORMATS = ['parquet', 'feather', 'npy', 'csv', 'json'];
/** The shares of a run: what decodes and stores, what fits the PCA, what writes the table. */
const STAGES = ['extract', 'reduce', 'export'];

/** @typedef {{ what: string, alone?: number, format?: string, pin?: number, workers?: number }} Way */

/**
 * 100×100 JPEGs to 224×224, 4,096 floats each: decoding and resizing alone, then whole runs, by cores and workers, and by
 * format.
 * @param {{ repeat: number, dataset: string, scratch: string }} options
 */
export async function* feed({ repeat, dataset, scratch }) {
  const images = join(scratch, 'feed');
  linkMany(dataset, IMAGES, images, /\.jpe?g$/i);
  const model = await writeModel(join(scratch, 'feed-model'));
  const cores = availableParallelism();
  const counts = Array.from({ length: 8 }, (_, i) => 2 ** i).filter((n) => n < cores);
  /** @type {Way[]} */
  const ways = [
    ...[...counts, cores].map((n) => ({ what: `decode and resize alone, ${n} workers`, alone: n })),
    ...counts.map((n) => ({ what: `parquet, ${n} cores`, pin: n, format: 'parquet' })),
    ...FORMATS.map((format) => ({ what: `${format}, ${cores} cores`, format })),
    ...[1, 2 * cores].map((workers) => ({
      what: `parquet, ${workers} workers`,
      workers,
      format: 'parquet',
    })),
  ];
  const found = await inTurn(ways, Math.min(repeat, 5), async (way) => {
    if (way.alone !== undefined) return { extract: await decodeAlone(images, way.alone) };
    return runOnce(way);
  });
  for (const [i, { what, alone }] of ways.entries()) {
    const row = (name, figure) => ({
      stage: 'feed',
      what: `${what}${name}`,
      unit: 'images/s',
      ...spread(found[i].map((ms) => (1000 * IMAGES) / figure(ms))),
    });
    yield row(alone === undefined ? ': files to stored vectors' : '', ({ extract }) => extract);
    if (alone !== undefined) continue;
    yield row(': files to table', (ms) => STAGES.reduce((sum, stage) => sum + ms[stage], 0));
  }

  yield* handOver(model, repeat);

  /** @param {Way} way */
  async function runOnce({ format, pin, workers }) {
    const out = join(scratch, 'feed-out');
    const args = [CLI, images, '--mode', 'cnn', '--model', model];
    // As on a GPU; a CPU takes 16.
    args.push('--device', 'cpu', '--engine', 'graph', '--batch', String(BATCH));
    args.push('--format', format, '--no-report', '--out', out, '--overwrite', '--quiet');
    if (workers !== undefined) args.push('--workers', String(workers));
    const env = { ...process.env, NODE_OPTIONS: `--require=${INSTANT}` };
    if (pin === undefined) await timedProcess(process.execPath, args, env);
    else await timedProcess('taskset', ['-c', `0-${pin - 1}`, process.execPath, ...args], env);
    const { counts, stagesMs } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
    if (counts.extracted !== IMAGES)
      throw new Error(`Expected ${IMAGES} rows but found ${counts.extracted}.`);
    return stagesMs;
  }
}

const BATCH = 64;
const BATCHES = 100;

/**
 * Batches that are ready in memory, to the engine process and back, three on their way: in memory that both map, copied to it,
 * and by the file that takes its place where the addon is missing.
 * @param {string} dir @param {number} repeat
 */
async function* handOver(dir, repeat) {
  const folder = await readModelFolder(dir);
  const spec = { layers: parseLayers(undefined, 'none'), precision: /** @type {const} */ ('fp32') };
  const found = chooseDevice('cpu', await locateRuntime());
  const pixels = new Uint8Array(BATCH * SIDE * SIDE * 3).fill(7);
  const { NODE_OPTIONS } = process.env;
  for (const isMapped of [true, false]) {
    process.env.NODE_OPTIONS = `--require=${INSTANT}`;
    const memory = BatchMemory.create(isMapped);
    const pool = await openEnginePool([spec], folder, found, { memory }).finally(() => {
      if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = NODE_OPTIONS;
    });
    const through = async (bufferOf) => {
      const { seconds } = await timed(() =>
        Promise.all(
          Array.from({ length: 3 }, async (_, lane) => {
            for (let i = lane; i < BATCHES; i += 3) {
              const batch = bufferOf();
              batch.set(pixels);
              await pool.run(batch, BATCH);
              pool.release(batch);
            }
          }),
        ),
      );
      return (BATCHES * BATCH) / seconds;
    };
    try {
      const how = isMapped ? 'in shared memory' : 'by a file';
      for (const isCopied of [false, true]) {
        const buffer = () => (isCopied ? new Uint8Array(pixels.length) : pool.batchBuffer(BATCH));
        const rates = await repeated(repeat, () => through(buffer));
        const what = `to the engine and back, ${how}${isCopied ? ', batches of a caller' : ''}`;
        yield { stage: 'feed', what, unit: 'images/s', ...spread(rates) };
      }
    } finally {
      await pool.close();
    }
  }
}

/** A network that is loaded and hardly runs: 16 × 16 × 16 values of 224×224 pixels. */
async function writeModel(dir) {
  const layers = [
    input('image', [SIDE, SIDE]),
    conv2d('conv', 'image', { filters: 16, kernel: 14, stride: 14 }),
    flatten('vectors', 'conv'),
  ];
  const weight = (name, shape) => {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.01);
    const dtype = /** @type {const} */ ('float32');
    return { spec: { name, shape, dtype }, chunks: [new Uint8Array(values.buffer)] };
  };
  const rows = layers.map(({ className, name, config, inbound }) => ({
    ...{ class_name: className, name, config },
    inbound_nodes: inbound.length === 0 ? [] : [inbound.map((from) => [from, 0, 0, {}])],
  }));
  const ends = { input_layers: [['image', 0, 0]], output_layers: [['vectors', 0, 0]] };
  await writeModelFolder(dir, {
    topology: {
      model_config: { class_name: 'Functional', config: { name: 'feed', layers: rows, ...ends } },
    },
    metadata: {
      architecture: null,
      preprocessing: 'none',
      inputSize: [SIDE, SIDE],
      trained: false,
      source: { kind: 'seeded', seed: 0, width: 1 },
    },
    weights: [weight('conv/kernel', [14, 14, 3, 16]), weight('conv/bias', [16])],
  });
  return dir;
}

/** Milliseconds. @param {string} images @param {number} workers */
async function decodeAlone(images, workers) {
  // As the listing of a run leaves them.
  const tasks = imagesOf(images).map((path, index) => {
    const { size, mtimeMs } = statSync(path);
    return { index, path, listed: { size, version: String(mtimeMs) } };
  });
  const chunks = Array.from({ length: Math.ceil(tasks.length / 16) }, (_, i) =>
    tasks.slice(16 * i, 16 * i + 16),
  );
  const pool = new DecodePool(DECODE, workers);
  const started = performance.now();
  let count = 0;
  try {
    for await (const chunk of pool.decode(chunks, new AbortController().signal)) {
      count += chunk.indices.length;
      pool.recycle(chunk);
    }
  } finally {
    await pool.close();
  }
  if (count !== tasks.length)
    throw new Error(`Expected ${tasks.length} images but found ${count}.`);
  return performance.now() - started;
}
