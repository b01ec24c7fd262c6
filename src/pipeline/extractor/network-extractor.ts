import { describeOutput } from '../../engine/describe-output.ts';
import type { EngineInfo, EngineOutput, EngineSpec } from '../../engine/engine.ts';
import { openEnginePool } from '../../engine/engine-pool.ts';
import { expectPossible } from '../../engine/open-engine.ts';
import { parseLayers } from '../../engine/parse-layers.ts';
import { resolveLayers } from '../../engine/resolve-layers.ts';
import { EngineError, OptionError } from '../../errors.ts';
import { describeModel, type ModelDescription } from '../../model/describe-model.ts';
import { findModelFolder } from '../../model/find-model-folder.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { readModelFolder } from '../../model/read-model-folder.ts';
import { firstScaling, isGray } from '../../model/topology-layers.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';
import { chooseDevice, type DeviceChoice } from '../../runtime/choose-device.ts';
import { listVisibleGpus, pickGpus, type VisibleGpu } from '../../runtime/gpus.ts';
import { type FoundRuntimes, locateRuntime } from '../../runtime/locate-runtime.ts';
import { networkHash } from '../identify-run.ts';
import type { Extractor, ExtractorHooks, ExtractorPlan } from './extractor.ts';
import { addEngines, prepareBatch } from './prepare-batch.ts';
import { describeGains, gainsKey, readTuning } from './tuning.ts';

/** Batches in flight to one engine, all of them in memory: one that it computes, and what waits for it. */
const IN_FLIGHT = { cuda: 3, cpu: 2, wasm: 2 } as const;

/**
 * `--mode vgg16|cnn`: a network read from a model folder, in one engine process for each GPU.
 * @throws ModelError without a model; EngineError where device, engine or precision is not available
 */
export async function planNetworkExtractor(
  options: ExtractOptions,
  hooks: Pick<ExtractorHooks, 'onEvent'>,
): Promise<ExtractorPlan> {
  const layers = parseLayers(options.layer, options.pool);
  const [model, found] = await Promise.all([
    readModelFolder(findModelFolder(options.mode, options.model), {
      preprocessing: options.preprocessing,
    }),
    locateRuntime(),
  ]);
  if (options.seedCompat && isGray(model.topology)) {
    throw new OptionError(
      `Expected --seed-compat only with a network of RGB images but ${model.dir} takes gray ones.`,
      { fix: 'Leave --seed-compat out.' },
    );
  }
  noteDoubleScaling(model, hooks);
  const { choice, gpus } = chooseGpus(options, found, hooks);
  const { engine, precision, conv } = options;
  expectPossible({ engine, precision }, choice.device);
  const spec = { layers, precision, engine, conv };
  return {
    model,
    choice,
    outputs: async () => (await networkOutputs(model, options)).outputs,
    open: (opening) =>
      openNetwork(
        {
          specs: gpus.map((gpu) => ({ ...spec, convOfRun: opening.recordedConv, gpu })),
          model,
          choice,
        },
        options,
        opening,
      ),
  };
}

async function openNetwork(
  { specs, model, choice }: { specs: EngineSpec[]; model: ModelFolder; choice: DeviceChoice },
  options: ExtractOptions,
  hooks: ExtractorHooks,
): Promise<Extractor> {
  warnOfSeededWeights(model, hooks);
  const onLog = (message: string) => hooks.onEvent({ event: 'warning', message });
  const opening = { signal: hooks.signal, onLog };
  const { enginesPerGpu, precision } = options;
  const perGpu = enginesPerGpu === 'auto' ? 1 : enginesPerGpu;
  const first = specs.flatMap((spec) => Array.from({ length: perGpu }, () => spec));
  const pool = await openEnginePool(first, model, choice, opening);
  try {
    const { info } = pool;
    announceEngine(info, hooks);
    if (info.device !== choice.device) hooks.onEvent(idleGpuWarning(info.deviceReason));
    if (info.device === 'cuda' && precision === 'fp32' && hooks.recordedBatch !== undefined) {
      await noteGains(info, model, hooks);
    }
    const network = networkHash(model, info.outputs);
    const key = { info, precision, network };
    const { batchSize, ...batch } = await prepareBatch(pool, options.batch, hooks, key);
    if (enginesPerGpu === 'auto' && info.device === 'cuda' && hooks.recordedBatch !== undefined) {
      const { memory } = pool;
      const openMore = () => openEnginePool(specs, model, choice, { ...opening, memory });
      await addEngines(pool, openMore, batchSize, hooks, key);
    }
    const inFlight = pool.size * IN_FLIGHT[info.device];
    return {
      inputSize: info.inputSize,
      outputs: info.outputs,
      batchSize,
      inFlight,
      engine: info,
      model,
      batchBuffer: (images) => pool.batchBuffer(images),
      release: (pixels) => pool.release(pixels),
      run: (pixels, n) => pool.run(pixels, n),
      engineReport: () => ({
        ...batch,
        busyMs: pool.busyMs(),
        imagesPerSecond: pool.imagesPerSecond(),
        engines: pool.members(),
        halvedTo: pool.halvedTo(),
      }),
      close: () => pool.close(),
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** At the start of a run in fp32 on CUDA: what others would give, where `doctor` has measured it. */
export async function noteGains(
  info: EngineInfo,
  model: ModelFolder,
  { onEvent }: Pick<ExtractorHooks, 'onEvent'>,
): Promise<void> {
  const { gains, at } = (await readTuning(gainsKey(info, model))) ?? {};
  const message = gains
    ? describeGains(gains, at)
    : `fp32 is strict here; Keras and PyTorch take TF32 by default. What --precision tf32 and fp16 give on this GPU: img2features doctor --device cuda --model ${model.dir}`;
  onEvent({ event: 'note', message });
}

function warnOfSeededWeights({ dir, metadata }: ModelFolder, { onEvent }: ExtractorHooks): void {
  if (metadata.trained) return;
  const message =
    `${dir} holds seeded weights, not trained ones: ` +
    'its features are for demos, tests and benchmarks only.';
  onEvent({ event: 'warning', message });
}

/** Known from the topology alone: the folder, or --preprocessing, may still ask for it. */
function noteDoubleScaling(
  { topology, metadata: { preprocessing } }: ModelFolder,
  { onEvent }: Pick<ExtractorHooks, 'onEvent'>,
): void {
  const scaling = firstScaling(topology);
  if (scaling === undefined || preprocessing === 'none') return;
  const message = `The model begins with ${scaling}, which scales the pixels itself: preprocessing ${preprocessing} is done before it, where none is usual.`;
  onEvent({ event: 'note', message });
}

function announceEngine(info: EngineInfo, { onEvent }: ExtractorHooks): void {
  onEvent({ event: 'engine', ...info });
  if (info.engineReason !== undefined) {
    onEvent({
      event: 'note',
      message: `The network runs layer by layer, not as one graph: ${info.engineReason}.`,
    });
  }
  if (info.conv === 'direct' && info.convReason !== undefined) {
    onEvent({
      event: 'note',
      message: `The convolutions are TensorFlow's own, not ours: ${info.convReason}.`,
    });
  }
}

interface ChosenGpus {
  readonly choice: DeviceChoice;
  /** One engine each; one `undefined` = one engine on the device's default. */
  readonly gpus: readonly (VisibleGpu | undefined)[];
}

/**
 * The device, and on CUDA which GPUs. `--gpus` asks for CUDA as `--device cuda` does.
 * @throws EngineError where the device is not available, or a requested GPU does not exist
 */
export function chooseGpus(
  { device, gpus }: Pick<ExtractOptions, 'device' | 'gpus'>,
  found: FoundRuntimes,
  { onEvent }: Pick<ExtractorHooks, 'onEvent'>,
  env: NodeJS.ProcessEnv = process.env,
): ChosenGpus {
  const { driver } = found;
  if (gpus === undefined) {
    const choice = chooseDevice(device, found);
    const isThere = driver.devices.length > 0 && driver.missing !== 'visibility';
    if (device === 'auto' && choice.device !== 'cuda' && isThere) {
      onEvent(idleGpuWarning(choice.reason));
    }
    return { choice, gpus: [undefined] };
  }
  if (!driver.present) {
    throw new EngineError(`Expected a GPU for --gpus ${gpus} but found ${driver.detail}.`, {
      fix: 'Leave --gpus out: --device auto then takes the CPU.',
    });
  }
  const picked = pickGpus(gpus, listVisibleGpus(driver, env));
  const choice = chooseDevice('cuda', found, picked);
  const names = [...new Set(picked.map(({ name }) => name))];
  if (names.length > 1) {
    const message = `The GPUs differ (${names.join(', ')}): the last bits of a row can depend on which of them computes it.`;
    onEvent({ event: 'warning', message });
  }
  const reason = `asked for with --gpus ${gpus}: ${driver.detail}`;
  return { choice: { ...choice, reason }, gpus: picked };
}

/** A GPU is there, and `auto` computes without it. */
function idleGpuWarning(reason: string) {
  return { event: 'warning', message: `The GPU is idle: ${reason}` } as const;
}

/**
 * The vectors that a model's folder gives for `--layer` and `--pool`, without an engine.
 * @throws ModelError, OptionError
 */
export async function networkOutputs(
  folder: ModelFolder,
  { layer, pool }: Pick<ExtractOptions, 'layer' | 'pool'>,
): Promise<{ outputs: EngineOutput[]; model: ModelDescription }> {
  const model = await describeModel(folder);
  const outputs = resolveLayers(folder, parseLayers(layer, pool)).map((request) => {
    const found = model.layers.find(({ name }) => name === request.layer)!;
    return describeOutput(request, [null, ...found.outputShape]);
  });
  return { outputs, model };
}
