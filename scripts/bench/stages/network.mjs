/** Stages of the network alone, on batches that are ready in memory. */
import { openEngine } from '../../../dist/engine/open-engine.js';
import { parseLayers } from '../../../dist/engine/parse-layers.js';
import { readModelFolder } from '../../../dist/model/read-model-folder.js';
import { chooseDevice } from '../../../dist/runtime/choose-device.js';
import { locateRuntime } from '../../../dist/runtime/locate-runtime.js';
import { spread, timed } from '../lib/measure.mjs';

/** Rates by batch: on a CPU they hardly differ, on a GPU they do. */
const BATCHES = { cpu: [1, 16], wasm: [4], cuda: [16, 32, 64, 128, 256] };
/** @type {Record<string, import('../../../dist/engine/engine.js').EngineSpec['precision'][]>} */
const PRECISIONS = { cpu: ['fp32'], wasm: ['fp32'], cuda: ['fp32', 'tf32', 'bf16', 'fp16'] };
const EAGER = /** @type {const} */ (['eager']);
const BOTH = /** @type {const} */ (['graph', 'eager']);
/** Bound of docs/numbers.md: features agree with float32's within this cosine. */
const LEAST_COSINE = { fp32: 0.999999, tf32: 0.9995, bf16: 0.999, fp16: 0.9995 };
const LAYERS = [
  ...['block1_pool:avg', 'block2_pool:avg', 'block3_pool:avg', 'block4_pool:avg'],
  ...['block5_pool', 'fc2', 'predictions'],
];
const BATCH_OF_LAYERS = { cpu: 16, wasm: 4, cuda: 64 };

/** @typedef {{ repeat: number, model: string, device: 'auto' | 'cuda' | 'cpu' | 'wasm' }} Options */

/**
 * By engine, precision and batch; warm-up counted apart. Every output is compared with the first engine's in fp32.
 * @param {Options} options
 */
export async function* engine({ repeat, model, device }) {
  const open = await opener(model, device);
  const single = (what, unit, value) => ({ stage: 'engine', what, unit, ...spread([value]) });
  let expected;
  for (const precision of PRECISIONS[open.device]) {
    for (const kind of open.device === 'wasm' ? EAGER : BOTH) {
      if (kind === 'eager' && precision.endsWith('16')) continue; // the graph's alone
      const opened = await open({ precision, engine: kind });
      try {
        const what = `${kind}, ${precision}`;
        yield single(`${what}: start`, 'ms', opened.info.startupMs);
        for (const batch of BATCHES[open.device]) {
          const { first, features, rates } = await rate(opened, batch, repeat);
          yield single(`${what}: first batch of ${batch}`, 'ms', 1000 * first);
          const found = features.slice(0, features.length / batch);
          expected ??= found;
          check(found, expected, `${what}, batch ${batch}`, LEAST_COSINE[precision]);
          const named = `${what}: batch ${batch}`;
          yield { stage: 'engine', what: named, unit: 'images/s', ...spread(rates) };
        }
        yield single(`${what}: peak memory`, 'MB', opened.peakRssBytes() / 1e6);
      } finally {
        await opened.close();
      }
    }
  }
}

/**
 * What a layer of VGG16 costs: the network up to it.
 * @param {Options} options
 */
export async function* layers({ repeat, model, device: wanted }) {
  const open = await opener(model, wanted);
  const { device } = open;
  for (const layer of LAYERS) {
    const opened = await open({ layer });
    try {
      const { rates } = await rate(opened, BATCH_OF_LAYERS[device], repeat);
      const { length } = opened.info.outputs[0];
      const what = `VGG16 to ${layer}, ${length} values, ${device}`;
      yield { stage: 'layers', what, unit: 'images/s', ...spread(rates), layer, length, device };
    } finally {
      await opened.close();
    }
  }
}

/** @param {string} model @param {Options['device']} wanted */
async function opener(model, wanted) {
  const folder = await readModelFolder(model);
  const choice = chooseDevice(wanted, await locateRuntime());
  const { device } = choice;
  /** @param {Partial<import('../../../dist/engine/engine.js').EngineSpec> & { layer?: string }} spec */
  const open = ({ layer, precision = 'fp32', ...more }) =>
    openEngine({ layers: parseLayers(layer, 'none'), precision, ...more }, folder, choice);
  return Object.assign(open, { device });
}

/** The first run apart, which warms up; then images a second. @param {import('../../../dist/engine/engine.js').Engine} opened @param {number} batch @param {number} repeat */
async function rate(opened, batch, repeat) {
  const pixels = seededPixels(batch, opened.info.inputSize);
  /** @type {Float32Array} */
  let features = new Float32Array();
  const once = async () => {
    [features] = await opened.run(pixels, batch);
  };
  const { seconds: first } = await timed(once);
  const rates = [];
  for (let i = 0; i < repeat; i++) rates.push(batch / (await timed(once)).seconds);
  if (!features.every(Number.isFinite)) throw new Error('Expected finite features.');
  return { first, features, rates };
}

/**
 * The first image is the same in every batch.
 * @param {number} batch
 * @param {readonly [number, number]} side
 */
function seededPixels(batch, [height, width]) {
  let state = 12345;
  return new Uint8Array(batch * height * width * 3).map(() => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 24;
  });
}

function check(found, expected, what, least) {
  let [dot, a, b] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    dot += found[i] * expected[i];
    a += found[i] ** 2;
    b += expected[i] ** 2;
  }
  const cosine = dot / Math.sqrt(a * b);
  if (cosine >= least) return;
  throw new Error(`Expected ${what} to agree with fp32 (cosine >= ${least}) but found ${cosine}.`);
}
