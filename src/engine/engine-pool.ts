import { EngineError, isImg2FeaturesError } from '../errors.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import type { DeviceChoice } from '../runtime/choose-device.ts';
import { BatchMemory } from './batch-memory.ts';
import type { EngineInfo, EngineSpec } from './engine.ts';
import {
  type OpenEngineOptions,
  openEngine,
  type ProcessEngine,
  partBytes,
} from './open-engine.ts';
import { OutOfMemory } from './out-of-memory.ts';

/** What a pool needs of each of its engines. */
export type PooledEngine = Pick<
  ProcessEngine,
  'info' | 'run' | 'trial' | 'busyMs' | 'peakRssBytes' | 'halvedTo' | 'close'
>;

/** Time that a measurement of all engines takes, more or less. */
const MEASURE_MS = 1000;

/** One engine of a pool and what it did; for run.json. */
export interface PoolMember {
  /** "GPU 1 (NVIDIA L4)"; the device's name where no GPU was chosen. */
  readonly name: string;
  readonly images: number;
  readonly busyMs: number;
}

/**
 * Starts one engine for each spec: the first alone, which makes the graph that all of them load, then
 * the others together.
 * @throws what `openEngine` throws; EngineError where the engines differ, as when one GPU cannot be
 *   used. No process is left then.
 */
export async function openEnginePool(
  specs: readonly EngineSpec[],
  folder: ModelFolder,
  choice: DeviceChoice,
  options: OpenEngineOptions = {},
): Promise<EnginePool> {
  const started = performance.now();
  const ownMemory = options.memory === undefined ? BatchMemory.create() : undefined;
  const memory = options.memory ?? ownMemory;
  const names = nameEngines(specs, choice);
  const open = (i: number) => {
    const onLog = (line: string) =>
      options.onLog?.(specs.length > 1 ? `${names[i]}: ${line}` : line);
    return openEngine(specs[i], folder, choice, { ...options, onLog, memory });
  };
  const first = await open(0).catch((error) => {
    ownMemory?.close();
    throw specs.length > 1 ? nameEngine(error, names[0]) : error;
  });
  const others = await Promise.allSettled(specs.slice(1).map((_, i) => open(i + 1)));
  const engines = [first, ...others.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []))];
  try {
    for (const [i, it] of others.entries()) {
      if (it.status === 'rejected') throw nameEngine(it.reason, names[i + 1]);
    }
    expectAlike(engines, names);
  } catch (error) {
    await Promise.all(engines.map((engine) => engine.close()));
    ownMemory?.close();
    throw error;
  }
  return new EnginePool(engines, names, { startupMs: performance.now() - started, memory });
}

/**
 * Several engines with the same network as one: each batch goes to the engine with the fewest images
 * waiting. Where the devices compute alike, which one does changes nothing, and the features are those
 * of one engine. (cuDNN's algorithms are chosen by timing in each process unless TF_DETERMINISTIC_OPS
 * is set: docs/gpu.md.) If any of them fails, the pool fails.
 */
export class EnginePool {
  /** Of the first engine, with the time until all of them were open. */
  readonly info: EngineInfo;
  /** Shared with the engines. */
  readonly memory: BatchMemory | undefined;
  #engines: readonly PooledEngine[];
  #names: readonly string[];
  /** Images in flight, and done, by engine. */
  #waiting: number[];
  #done: number[];
  #shapes: readonly number[] = [];

  constructor(
    engines: readonly PooledEngine[],
    names: readonly string[],
    {
      startupMs,
      memory,
    }: { readonly startupMs?: number; readonly memory?: BatchMemory | undefined } = {},
  ) {
    const { info } = engines[0];
    this.info = startupMs === undefined ? info : { ...info, startupMs };
    this.memory = memory;
    this.#engines = engines;
    this.#names = names;
    this.#waiting = engines.map(() => 0);
    this.#done = engines.map(() => 0);
  }

  get size(): number {
    return this.#engines.length;
  }

  /** Takes the engines of another pool, which must not be used any more; they have this pool's memory. */
  join(other: EnginePool): void {
    this.#engines = [...this.#engines, ...other.#engines];
    const added = other.#names.map((name) =>
      this.#names.includes(name) ? `${name}, engine 2` : name,
    );
    this.#names = [...this.#names, ...added];
    this.#waiting = this.#engines.map(() => 0);
    this.#done = this.#engines.map(() => 0);
  }

  /** Ends all engines but the first so many. */
  async shrinkTo(size: number): Promise<void> {
    const ended = this.#engines.slice(size);
    this.#engines = this.#engines.slice(0, size);
    await Promise.all(ended.map((engine) => engine.close()));
  }

  /**
   * What all engines make together of batches of noise, images/s by the clock.
   * @throws OutOfMemory where one of them finds no room; EngineError
   */
  async measure(images: number): Promise<number> {
    const ms = await this.trial(images);
    const times = Math.min(50, Math.max(3, Math.ceil(MEASURE_MS / ms)));
    const started = performance.now();
    const trials = this.#engines.flatMap((engine) =>
      Array.from({ length: times }, () => engine.trial(images)),
    );
    const failed = (await Promise.allSettled(trials)).find(({ status }) => status === 'rejected');
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    return (1000 * images * trials.length) / (performance.now() - started);
  }

  /**
   * From now on a batch of another size is filled up with black images to the next of these sizes, and
   * their rows are dropped: a GPU then sees few shapes, and chooses (or compiles) its kernels once for
   * each.
   * @param shapes images in a batch, ascending
   */
  padTo(shapes: readonly number[]): void {
    this.#shapes = shapes;
  }

  /** Memory for a batch of so many images, to be given to `run`, which reads it in place, and then to `release`. */
  batchBuffer(images: number): Uint8Array {
    const [height, width] = this.info.inputSize;
    const shape = this.#shapes.find((most) => most >= images) ?? images;
    const part = this.memory!.take(partBytes(this.info, shape));
    return part.subarray(0, images * height * width * 3);
  }

  /** Takes memory back from which a batch was run, with its outputs. */
  release(pixels: Uint8Array): void {
    if (this.memory?.has(pixels)) this.memory.give(pixels);
  }

  /** As Engine.run; outputs of a batch in shared memory are there, too, until its release. */
  async run(pixels: Uint8Array, n: number): Promise<Float32Array[]> {
    const { length } = this.#engines;
    let i = 0;
    for (let j = 1; j < length; j++) if (this.#waiting[j] < this.#waiting[i]) i = j;
    this.#waiting[i] += n;
    try {
      const outputs = await this.#runPadded(this.#engines[i], pixels, n);
      this.#done[i] += n;
      return outputs;
    } catch (error) {
      throw length > 1 ? nameEngine(error, this.#names[i]) : error;
    } finally {
      this.#waiting[i] -= n;
    }
  }

  async #runPadded(engine: PooledEngine, pixels: Uint8Array, n: number): Promise<Float32Array[]> {
    const shape = this.#shapes.find((images) => images >= n) ?? n;
    if (shape === n || n === 0) return engine.run(pixels, n);
    const bytes = (pixels.length / n) * shape;
    let padded: Uint8Array;
    if (this.memory?.has(pixels)) {
      // A part has room for the shape; what another batch left there is no image.
      padded = new Uint8Array(pixels.buffer, 0, bytes).fill(0, pixels.length);
    } else {
      padded = new Uint8Array(bytes);
      padded.set(pixels);
    }
    const outputs = await engine.run(padded, shape);
    return outputs.map((values, i) => values.subarray(0, n * this.info.outputs[i].length));
  }

  /** A batch of noise on the first engine: see ProcessEngine.trial. */
  trial(images: number): Promise<number> {
    return this.#engines[0].trial(images);
  }

  /**
   * A batch of noise on every engine, so that each has its kernels ready before its first real batch.
   * Out of memory is no failure here: the first real batch will be halved.
   */
  async warmUp(images: number): Promise<void> {
    await Promise.all(
      this.#engines.map(async (engine, i) => {
        try {
          await engine.trial(images);
        } catch (error) {
          if (error instanceof OutOfMemory) return;
          throw this.size > 1 ? nameEngine(error, this.#names[i]) : error;
        }
      }),
    );
  }

  /** Summed over the engines. */
  busyMs(): number {
    return this.#engines.reduce((sum, engine) => sum + engine.busyMs(), 0);
  }

  /** What the engines make together while all are busy: the sum of their own rates; 0 before a batch. */
  imagesPerSecond(): number {
    return this.members().reduce(
      (sum, { images, busyMs }) => sum + (busyMs > 0 ? (1000 * images) / busyMs : 0),
      0,
    );
  }

  members(): PoolMember[] {
    return this.#engines.map((engine, i) => ({
      name: this.#names[i],
      images: this.#done[i],
      busyMs: engine.busyMs(),
    }));
  }

  /** Of the largest engine process, bytes. */
  peakRssBytes(): number {
    return Math.max(...this.#engines.map((engine) => engine.peakRssBytes()));
  }

  /** Most images at once on the engine that ran out of memory first of all; undefined where none did. */
  halvedTo(): number | undefined {
    const limits = this.#engines.flatMap((engine) => engine.halvedTo() ?? []);
    return limits.length === 0 ? undefined : Math.min(...limits);
  }

  /** Ends every engine's process. Safe to call again. */
  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
    this.memory?.close();
  }
}

/** "GPU 1 (NVIDIA L4)", its second engine "GPU 1 (NVIDIA L4), engine 2"; without GPUs the device's name. */
function nameEngines(specs: readonly EngineSpec[], { device }: DeviceChoice): string[] {
  const engines = new Map<string, number>();
  return specs.map(({ gpu }) => {
    const name = gpu === undefined ? device : `GPU ${gpu.number} (${gpu.name})`;
    const number = (engines.get(name) ?? 0) + 1;
    engines.set(name, number);
    return number === 1 ? name : `${name}, engine ${number}`;
  });
}

/** If engines differed, the bytes would depend on which of them takes a batch. */
function expectAlike(engines: readonly PooledEngine[], names: readonly string[]): void {
  const describe = ({ info }: PooledEngine) =>
    `${info.library} on ${info.device} (${info.engine}, ${info.conv})`;
  const expected = describe(engines[0]);
  for (const [i, engine] of engines.entries()) {
    const found = describe(engine);
    if (found === expected) continue;
    throw new EngineError(
      `Expected ${expected} on ${names[i]}, as on ${names[0]}, but found ${found}.`,
      { fix: 'Leave it out of --gpus.' },
    );
  }
}

/** The same error, with the engine's name before its message. */
function nameEngine(error: unknown, name: string): unknown {
  if (!isImg2FeaturesError(error) || !(error instanceof EngineError)) return error;
  if (error.message.startsWith(`${name}: `)) return error;
  const detail = { ...(error.fix !== undefined && { fix: error.fix }), cause: error };
  return new EngineError(`${name}: ${error.message}`, detail);
}
