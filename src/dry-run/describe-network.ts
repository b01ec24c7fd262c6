import { countMultiplyAdds, measureNetwork } from '../doctor/network-rate.ts';
import type { EngineOutput } from '../engine/engine.ts';
import { parseLayers } from '../engine/parse-layers.ts';
import { isImg2FeaturesError } from '../errors.ts';
import { findModelFolder } from '../model/find-model-folder.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { readModelFolder } from '../model/read-model-folder.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { networkOutputs } from '../pipeline/extractor/network-extractor.ts';
import { readRate, recordRate } from '../pipeline/extractor/recorded-rates.ts';
import { chooseDevice } from '../runtime/choose-device.ts';
import { locateRuntime } from '../runtime/locate-runtime.ts';
import type { NetworkRate } from './expected.ts';

export interface NetworkDescription {
  readonly inputSize: readonly [height: number, width: number];
  readonly outputs: readonly EngineOutput[];
  readonly model: ModelFolder;
  /** undefined where nothing is recorded and a measurement would take long. */
  readonly rate: NetworkRate | undefined;
  /** Why there is no rate, or what to know of it. */
  readonly note: string | undefined;
}

/** Multiply-adds of the batches that a measurement takes, above which it takes too long: about ten seconds on two cores. */
const CHEAP_MULTIPLY_ADDS = 600e9;
/** WebAssembly makes an image of VGG16 in several seconds. */
const CHEAP_ON_WASM = 30e9;
const BATCH = 8;

/** What the model's folder says of the vectors, and how fast the network is here. @throws ModelError, OptionError */
export async function describeNetwork(
  options: ExtractOptions,
  signal: AbortSignal,
): Promise<NetworkDescription> {
  const folder = await readModelFolder(findModelFolder(options.mode, options.model), {
    preprocessing: options.preprocessing,
  });
  const { outputs, model } = await networkOutputs(folder, options);
  const { inputSize } = folder.metadata;
  const rate = await findRate(options, folder, countMultiplyAdds(model), signal).catch((error) => {
    signal.throwIfAborted();
    if (!isImg2FeaturesError(error)) throw error;
    // The run itself would report the same; the counts are shown even so.
    return `The run would fail: ${error.message}`;
  });
  const known = { inputSize, outputs, model: folder };
  return typeof rate === 'string'
    ? { ...known, rate: undefined, note: rate }
    : { ...known, rate, note: undefined };
}

/** @returns a rate, or why there is none */
async function findRate(
  options: ExtractOptions,
  folder: ModelFolder,
  multiplyAdds: number,
  signal: AbortSignal,
): Promise<NetworkRate | string> {
  const choice = chooseDevice(options.device, await locateRuntime());
  const { device } = choice;
  const { weightsSha256 } = folder.metadata;
  const key = { weightsSha256, device, precision: options.precision, layers: options.layer };
  // Rates are kept of what a run takes by itself; other engines and kernels are measured.
  const isUsual = options.engine === 'auto' && options.conv === 'auto';
  const recorded = isUsual ? await readRate(key) : undefined;
  if (recorded !== undefined) {
    return { device, imagesPerSecond: recorded.imagesPerSecond, from: recorded.by };
  }
  const cost = 2 * BATCH * multiplyAdds;
  if (cost > (device === 'wasm' ? CHEAP_ON_WASM : CHEAP_MULTIPLY_ADDS)) {
    return 'The speed of this network is not known here yet: `img2features doctor` measures it.';
  }
  const { precision, engine, conv } = options;
  const spec = { layers: parseLayers(options.layer, options.pool), precision, engine, conv };
  const { info, imagesPerSecond } = await measureNetwork(spec, folder, choice, signal, 1000);
  if (isUsual) {
    const rate = { imagesPerSecond, by: 'dry-run', at: new Date().toISOString() } as const;
    await recordRate({ ...key, device: info.device }, rate);
  }
  return { device: info.device, imagesPerSecond, from: 'dry-run' };
}
