import { openEngine } from '../engine/open-engine.ts';
import { parseLayers } from '../engine/parse-layers.ts';
import type { RunEvent } from '../events.ts';
import { readModelFolder } from '../model/read-model-folder.ts';
import type { ExtractOptions } from '../options.ts';
import { chooseDevice } from '../runtime/choose-device.ts';
import { locateRuntime } from '../runtime/locate-runtime.ts';
import type { Extractor } from './extractor.ts';
import { findModelFolder } from './find-model-folder.ts';

/** Rows in a batch, by device, where the user does not say: beyond these the rate no longer grows. */
const AUTO_BATCH = { cuda: 64, cpu: 16, wasm: 4 } as const;

/** `--mode vgg16|cnn`: a network read from a model folder, in the engine's process. */
export async function openNetworkExtractor(
  options: ExtractOptions,
  hooks: { readonly signal: AbortSignal; readonly onEvent: (event: RunEvent) => void },
): Promise<Extractor> {
  const layers = parseLayers(options.layer, options.pool);
  const [model, found] = await Promise.all([
    readModelFolder(findModelFolder(options.mode, options.model), {
      preprocessing: options.preprocessing,
    }),
    locateRuntime(),
  ]);
  if (!model.metadata.trained) {
    hooks.onEvent({
      event: 'warning',
      message:
        `${model.dir} holds seeded weights, not trained ones: ` +
        'its features are for demos, tests and benchmarks only.',
    });
  }
  const engine = await openEngine(
    {
      modelDir: model.dir,
      layers,
      device: options.device,
      precision: options.precision,
      engine: options.engine,
      conv: options.conv,
      threads: 0,
    },
    model,
    chooseDevice(options.device, found),
    { signal: hooks.signal, onLog: (message) => hooks.onEvent({ event: 'warning', message }) },
  );
  const { info } = engine;
  hooks.onEvent({ event: 'engine', ...info });
  if (info.engineReason !== undefined) {
    hooks.onEvent({
      event: 'note',
      message: `The network runs layer by layer, not as one graph: ${info.engineReason}.`,
    });
  }
  if (info.convReason !== undefined) {
    hooks.onEvent({
      event: 'note',
      message: `The convolutions are TensorFlow's own, not the faster Winograd ones: ${info.convReason}.`,
    });
  }
  return {
    inputSize: info.inputSize,
    outputs: info.outputs,
    batchSize: options.batch === 'auto' ? AUTO_BATCH[info.device] : options.batch,
    inFlight: 2,
    engine: info,
    model,
    run: (pixels, n) => engine.run(pixels, n),
    busyMs: () => engine.busyMs(),
    close: () => engine.close(),
  };
}
