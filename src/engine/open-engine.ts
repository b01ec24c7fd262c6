import { EngineError } from '../errors.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { type Device, type DeviceChoice, GpuUnused } from '../runtime/choose-device.ts';
import { GPU_LOG, SILENT_CAUSE } from '../runtime/gpu-cause.ts';
import { findGpuDriver, listVisibleGpus, type VisibleGpu } from '../runtime/gpus.ts';
import { libraryEnvironment } from '../runtime/tensorflow-runtime.ts';
import { BatchMemory, outputsOffset, partFeatures } from './batch-memory.ts';
import type { Engine, EngineInfo, EngineKind, EngineSpec, Precision } from './engine.ts';
import { EngineProcess } from './engine-process.ts';
import type { DoneMessage, ReadyMessage } from './protocol.ts';
import { resolveLayers } from './resolve-layers.ts';

export interface OpenEngineOptions {
  /**
   * Gets each line that the engine process prints, except known noise of its libraries, and a
   * sentence when memory ran out and batches run in smaller parts from then on.
   */
  readonly onLog?: (line: string) => void;
  /** Stops the engine at once; open batches are rejected with Interrupted. */
  readonly signal?: AbortSignal | undefined;
  /** Batches in it are read in place, others are copied to it. Default: one of its own. */
  readonly memory?: BatchMemory | undefined;
}

/** An engine in a process of its own. */
export interface ProcessEngine extends Engine {
  /** Of the engine process. */
  readonly pid: number | undefined;
  /** Tensors alive in the engine after its last batch: constant, or memory leaks. */
  numTensors(): number;
  /**
   * Runs a batch of noise: warms up for batches of that size, or measures them. Not part of `busyMs`.
   * @returns milliseconds that the network was busy
   * @throws OutOfMemory where memory does not hold it; EngineError
   */
  trial(images: number): Promise<number>;
  /**
   * Most images that run at once since memory ran out; undefined while it never did. Larger batches
   * run in parts, whose rows may differ in the last bits from those of the whole batch.
   */
  halvedTo(): number | undefined;
}

/**
 * Starts one engine process, loads the model there and waits until it takes batches.
 * Several batches may be sent without waiting: they run in that order; the caller holds their number
 * (2 or 3 keep the device busy), for each stays in memory until it is answered.
 * @throws OptionError for a layer or pooling that the model does not have
 * @throws ModelError | RuntimeError | EngineError when something cannot be loaded.
 */
export async function openEngine(
  spec: EngineSpec,
  folder: ModelFolder,
  choice: DeviceChoice,
  { onLog = () => {}, signal, memory: shared }: OpenEngineOptions = {},
): Promise<ProcessEngine> {
  const started = performance.now();
  const { engine = 'auto', precision, conv = 'auto', convOfRun, threads = 0 } = spec;
  expectPossible({ engine, precision }, choice.device);
  const layers = resolveLayers(folder, spec.layers);
  const env = environmentOf(spec, choice);
  const memory = shared ?? BatchMemory.create();
  let child: EngineProcess | undefined;
  const close = async () => {
    await child?.close();
    if (shared === undefined) memory.close();
  };
  try {
    child = new EngineProcess({ env, onLog, signal, memory: memory.fd });
    const asked = { engine, precision, conv, convOfRun, threads, memoryAddon: memory.addonPath };
    const [found, gpu] = await Promise.all([
      child.request({ type: 'start', folder, layers, choice, ...asked }),
      choice.device === 'cuda' ? gpuName(spec.gpu) : undefined,
    ]);
    const ready = await withGpuCause(found, choice, child);
    // `auto` may have found that the GPU cannot be used.
    checkPrecision(precision, ready.device, ready.engine);
    const info = describeEngine(ready, gpu, performance.now() - started);
    return new ChildEngine({ child, memory, close }, info, onLog);
  } catch (error) {
    await close();
    throw error instanceof GpuUnused && child ? explain(error, child) : error;
  }
}

/** The library's output is complete once its process has ended. */
function explain({ message }: GpuUnused, child: EngineProcess): EngineError {
  const { found, fix } = child.gpuCause() ?? SILENT_CAUSE;
  return new EngineError(`${message.replace(/\.$/, '')}: ${found}.`, { fix });
}

/** `auto` changed to the CPU: the reason with what the library printed. */
async function withGpuCause(
  ready: ReadyMessage,
  choice: DeviceChoice,
  child: EngineProcess,
): Promise<ReadyMessage> {
  if (ready.device === choice.device) return ready;
  // It was printed before the reply was sent: two turns of the event loop read it.
  for (let i = 0; i < 2; i++) await new Promise(setImmediate);
  const { found, fix } = child.gpuCause() ?? SILENT_CAUSE;
  return { ...ready, deviceReason: `${ready.deviceReason}: ${found}. ${fix}` };
}

/** What an open engine holds. */
interface Held {
  readonly child: EngineProcess;
  readonly memory: BatchMemory;
  close(): Promise<void>;
}

class ChildEngine implements ProcessEngine {
  readonly info: EngineInfo;
  readonly close: () => Promise<void>;
  readonly #child: EngineProcess;
  readonly #memory: BatchMemory;
  readonly #imageBytes: number;
  readonly #onLog: (line: string) => void;
  #busyMs = 0;
  #last: DoneMessage | undefined;

  constructor({ child, memory, close }: Held, info: EngineInfo, onLog: (line: string) => void) {
    this.#child = child;
    this.#memory = memory;
    this.close = close;
    this.#onLog = onLog;
    this.info = info;
    const [height, width] = info.inputSize;
    this.#imageBytes = height * width * 3;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async run(pixels: Uint8Array, n: number): Promise<Float32Array[]> {
    if (n < 1 || pixels.byteLength !== n * this.#imageBytes) {
      throw new EngineError(
        `Expected ${n} × ${this.#imageBytes} bytes for a batch but found ${pixels.byteLength}.`,
      );
    }
    const memory = this.#memory;
    if (memory.has(pixels)) return this.#runPart(pixels, n);
    // Sizes of a few kinds, so that parts are used again.
    const part = memory.take(partBytes(this.info, 2 ** Math.ceil(Math.log2(n))));
    try {
      const placed = part.subarray(0, pixels.length);
      placed.set(pixels);
      return (await this.#runPart(placed, n)).map((values) => values.slice());
    } finally {
      memory.give(part);
    }
  }

  async #runPart(pixels: Uint8Array, images: number): Promise<Float32Array[]> {
    const memory = this.#memory;
    const { byteLength: bytes } = pixels.buffer;
    memory.send(pixels);
    const offset = memory.offsetOf(pixels);
    const done = await this.#child.request({ type: 'batch', images, offset, bytes });
    this.#busyMs += done.busyMs;
    if (done.halvedTo !== this.halvedTo()) this.#onLog(halvingNote(images, done.halvedTo!));
    this.#last = done;
    const features = partFeatures(pixels, this.info.outputs, images);
    for (const values of features) memory.receive(values);
    return features;
  }

  busyMs(): number {
    return this.#busyMs;
  }

  peakRssBytes(): number {
    return this.#last?.peakRssBytes ?? 0;
  }

  numTensors(): number {
    return this.#last?.numTensors ?? 0;
  }

  async trial(images: number): Promise<number> {
    this.#last = await this.#child.request({ type: 'trial', images });
    return this.#last.busyMs;
  }

  halvedTo(): number | undefined {
    return this.#last?.halvedTo;
  }
}

/** Bytes of a batch in shared memory: its pixels, and its features. */
export function partBytes(
  { inputSize: [height, width], outputs }: Pick<EngineInfo, 'inputSize' | 'outputs'>,
  images: number,
): number {
  const values = outputs.reduce((sum, { length }) => sum + length, 0);
  return outputsOffset(images * height * width * 3) + 4 * images * values;
}

function halvingNote(n: number, most: number): string {
  return (
    `Memory ran out in a batch of ${n} images: batches run in parts of at most ${most} from here on. ` +
    `Rows may differ in the last bits from a run without this; --batch ${most} avoids it.`
  );
}

/** @throws EngineError for an engine or a precision that the device does not have */
export function expectPossible(
  { engine = 'auto', precision }: Pick<EngineSpec, 'engine' | 'precision'>,
  device: Device,
): void {
  checkEngine(engine, device);
  checkPrecision(precision, device, engine);
}

function checkEngine(engine: 'auto' | EngineKind, device: Device): void {
  if (engine !== 'graph' || device !== 'wasm') return;
  throw new EngineError(
    "Expected TensorFlow's library for --engine graph but found the device wasm.",
    { fix: 'Run `img2features setup`, or use --engine eager.' },
  );
}

/** TF32 is CUDA's; half precision needs the graph engine, whose layers may be of any type. */
function checkPrecision(precision: Precision, device: Device, engine: 'auto' | EngineKind): void {
  const isHalf = precision === 'fp16' || precision === 'bf16';
  if (precision === 'fp32' || (precision === 'tf32' && device === 'cuda')) return;
  if (isHalf && device !== 'wasm' && engine !== 'eager') return;
  const allowed = device === 'cuda' ? 'fp32 or tf32' : 'fp32';
  const where = isHalf && device !== 'wasm' ? `--engine eager on ${device}` : device;
  throw new EngineError(
    `Expected ${allowed} for --precision on ${where} but found ${precision}: not in this engine.`,
    {
      fix: 'Use --precision fp32.',
    },
  );
}

function environmentOf(spec: EngineSpec, { device, runtime }: DeviceChoice): NodeJS.ProcessEnv {
  const env = libraryEnvironment(runtime?.libraryDirs);
  if (device !== 'cuda') return { ...env, NVIDIA_TF32_OVERRIDE: undefined };
  // TF32 is CUDA's default from Ampere on, also for what half precision leaves in float32.
  const tf32 = spec.precision === 'tf32' ? undefined : '0';
  return { ...env, ...GPU_LOG, ...spec.gpu?.env, NVIDIA_TF32_OVERRIDE: tf32 };
}

function describeEngine(
  { libraryMs, modelMs, ...rest }: ReadyMessage,
  gpu: string | undefined,
  startupMs: number,
): EngineInfo {
  const processMs = startupMs - libraryMs - modelMs;
  const deviceName = rest.device === 'cuda' ? gpu : undefined;
  return { ...rest, deviceName, startupMs, startup: { processMs, libraryMs, modelMs } };
}

/** The first GPU is the one used (tensorflow-js.ts), e.g. "NVIDIA L4, driver 550.54.15". */
async function gpuName(chosen: VisibleGpu | undefined): Promise<string | undefined> {
  const driver = await findGpuDriver();
  const name = (chosen ?? listVisibleGpus(driver)[0])?.name ?? driver.devices[0];
  return driver.version === undefined ? name : `${name}, driver ${driver.version}`;
}
