import { openEngine } from '../../../dist/engine/open-engine.js';
import { parseLayers } from '../../../dist/engine/parse-layers.js';
import { readModelFolder } from '../../../dist/model/read-model-folder.js';
import { chooseDevice } from '../../../dist/runtime/choose-device.js';
import { locateRuntime } from '../../../dist/runtime/locate-runtime.js';
import { spread } from '../lib/statistics.mjs';

/** Rates by batch: on a CPU they hardly differ, on a GPU they do. */
const BATCHES = { cpu: [1, 16], wasm: [4], cuda: [16, 32, 64, 128, 256] };
/** @type {Record<string, import('../../../dist/engine/engine.js').EngineSpec['precision'][]>} */
const PRECISIONS = { cpu: ['fp32'], wasm: ['fp32'], cuda: ['fp32', 'tf32', 'bf16', 'fp16'] };
const EAGER = /** @type {const} */ (['eager']);
const BOTH = /** @type {const} */ (['graph', 'eager']);
/** Bound of docs/numbers.md: features agree with float32's within this cosine. */
const LEAST_COSINE = { fp32: 0.999999, tf32: 0.9995, bf16: 0.999, fp16: 0.9995 };

/**
 * The network alone, on batches that are ready in memory, by engine, precision and batch; warm-up counted apart.
 * Every output is compared with the first engine's in fp32.
 * @param {{ repeat: number, model: string, device: 'auto' | 'cuda' | 'cpu' | 'wasm' }} options
 */
export async function* measure({ repeat, model, device }) {
  const folder = await readModelFolder(model);
  const choice = chooseDevice(device, await locateRuntime());
  let expected;
  for (const precision of PRECISIONS[choice.device]) {
    for (const engine of choice.device === 'wasm' ? EAGER : BOTH) {
      if (engine === 'eager' && precision.endsWith('16')) continue; // the graph's alone
      /** @type {import('../../../dist/engine/engine.js').EngineSpec} */
      const spec = {
        layers: parseLayers(undefined, 'none'),
        precision,
        engine,
      };
      const opened = await openEngine(spec, folder, choice);
      try {
        const what = `${engine}, ${precision}`;
        yield single(`${what}: start`, 'ms', opened.info.startupMs);
        for (const batch of BATCHES[choice.device]) {
          const pixels = seededPixels(batch, opened.info.inputSize);
          const warmUp = performance.now();
          const [features] = await opened.run(pixels, batch);
          yield single(`${what}: first batch of ${batch}`, 'ms', performance.now() - warmUp);
          expected ??= firstRow(features, batch);
          check(
            firstRow(features, batch),
            expected,
            `${what}, batch ${batch}`,
            LEAST_COSINE[precision],
          );
          const rates = [];
          for (let i = 0; i < repeat; i++) {
            const start = performance.now();
            await opened.run(pixels, batch);
            rates.push((1000 * batch) / (performance.now() - start));
          }
          yield {
            stage: 'engine',
            what: `${what}: batch ${batch}`,
            unit: 'images/s',
            ...spread(rates),
          };
        }
        yield single(`${what}: peak memory`, 'MB', opened.peakRssBytes() / 1e6);
      } finally {
        await opened.close();
      }
    }
  }
}

function single(what, unit, value) {
  return { stage: 'engine', what, unit, ...spread([value]) };
}

/**
 * The first image is the same in every batch.
 * @param {number} batch
 * @param {readonly [number, number]} side
 */
function seededPixels(batch, [height, width]) {
  const pixels = new Uint8Array(batch * height * width * 3);
  let state = 12345;
  for (let i = 0; i < pixels.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    pixels[i] = state >>> 24;
  }
  return pixels;
}

function firstRow(features, batch) {
  return features.slice(0, features.length / batch);
}

function check(found, expected, what, least) {
  let dot = 0;
  let a = 0;
  let b = 0;
  for (let i = 0; i < expected.length; i++) {
    dot += found[i] * expected[i];
    a += found[i] ** 2;
    b += expected[i] ** 2;
  }
  const cosine = dot / Math.sqrt(a * b);
  if (cosine >= least) return;
  throw new Error(`Expected ${what} to agree with fp32 (cosine >= ${least}) but found ${cosine}.`);
}
