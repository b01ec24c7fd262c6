import { openEngine } from '../../../dist/engine/open-engine.js';
import { parseLayers } from '../../../dist/engine/parse-layers.js';
import { readModelFolder } from '../../../dist/model/read-model-folder.js';
import { chooseDevice } from '../../../dist/runtime/choose-device.js';
import { locateRuntime } from '../../../dist/runtime/locate-runtime.js';
import { spread } from '../lib/statistics.mjs';

const LAYERS = [
  'block1_pool:avg',
  'block2_pool:avg',
  'block3_pool:avg',
  'block4_pool:avg',
  'block5_pool',
  'fc2',
  'predictions',
];
const BATCH = { cpu: 16, wasm: 4, cuda: 64 };

/**
 * What a layer costs: the network up to it, alone, on ready batches.
 * @param {{ repeat: number, model: string, device: 'auto' | 'cuda' | 'cpu' | 'wasm' }} options a VGG16's folder
 */
export async function* measure({ repeat, model, device }) {
  const folder = await readModelFolder(model);
  const choice = chooseDevice(device, await locateRuntime());
  for (const layer of LAYERS) {
    /** @type {import('../../../dist/engine/engine.js').EngineSpec} */
    const spec = {
      layers: parseLayers(layer, 'none'),
      precision: 'fp32',
    };
    const engine = await openEngine(spec, folder, choice);
    try {
      const batch = BATCH[choice.device];
      const [height, width] = engine.info.inputSize;
      const pixels = new Uint8Array(batch * height * width * 3).map((_, i) => (i * 31) & 255);
      await engine.run(pixels, batch); // warm-up
      const rates = [];
      for (let i = 0; i < repeat; i++) {
        const start = performance.now();
        const [features] = await engine.run(pixels, batch);
        rates.push((1000 * batch) / (performance.now() - start));
        if (!features.every(Number.isFinite)) throw new Error('Expected finite features.');
      }
      const { length } = engine.info.outputs[0];
      yield {
        stage: 'layers',
        what: `VGG16 to ${layer}, ${length} values, ${choice.device}`,
        unit: 'images/s',
        ...spread(rates),
        layer,
        length,
        device: choice.device,
      };
    } finally {
      await engine.close();
    }
  }
}
