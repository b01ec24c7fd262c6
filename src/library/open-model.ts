import { setMaxListeners } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EngineInfo, EngineOutput } from '../engine/engine.ts';
import { EngineError, interruption, OptionError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import type { RejectReason } from '../image/decode-error.ts';
import type { DecodeTask } from '../image/decoded-chunk.ts';
import { DecodePool } from '../image/pool/decode-pool.ts';
import { mapOrdered } from '../map-ordered.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { decodeOptions, type Extractor } from '../pipeline/extractor/extractor.ts';
import { openExtractor } from '../pipeline/extractor/open-extractor.ts';
import { finishVectors, type VectorForm } from '../pipeline/stream/run-batches.ts';
import { fetchTask } from '../source/decode-tasks.ts';
import { type ModelOptions, resolveModelOptions } from './feature-options.ts';
import { MicroBatcher } from './micro-batcher.ts';

/** An image as its file's bytes, or the file's path or `file:` URL. */
export type ImageInput = Uint8Array | string | URL;

/** The result for one image. */
export type Embedding = {
  /** Position in the call's list. */
  readonly index: number;
  /** The path as given; undefined for bytes. */
  readonly origin: string | undefined;
} & (
  | {
      /** float32 [length] of the first output. */
      readonly vector: Float32Array;
      /** The same for every output, in the order of `model.outputs`. */
      readonly vectors: readonly Float32Array[];
      readonly rejection?: undefined;
    }
  | {
      readonly vector?: undefined;
      readonly vectors?: undefined;
      /** Why there is no vector. */
      readonly rejection: ImageFault;
    }
);

export interface ImageFault {
  /** As in rejected.jsonl. */
  readonly reason: RejectReason;
  readonly message: string;
}

/** A network that takes images. One engine process and a few decoding threads, until it is closed. */
export interface Model extends AsyncDisposable {
  /** One for each vector: layer, pool, length. */
  readonly outputs: readonly EngineOutput[];
  /** Device, library, and why. */
  readonly info: EngineInfo;
  /**
   * Vectors of images, in the order given; a bad image is a row with `rejection`, never an error. Calls
   * may overlap: their images share batches, whose shape can change the last bits of a vector.
   * Bytes are copied only when they are decoded: do not change them before the promise resolves.
   * @throws Interrupted when `signal` fires; EngineError when the network fails or the model is closed;
   *   OptionError for what is neither bytes nor a path
   */
  embed(
    images: readonly ImageInput[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Embedding[]>;
  /** Ends the process and the threads; open calls are rejected. Safe to call again. */
  close(): Promise<void>;
}

export interface OpenModelHooks {
  /** Ends the model at once: open calls reject with Interrupted. `close` is still to be called. */
  readonly signal?: AbortSignal | undefined;
  /** What the command prints: the device taken and why, weights that are not trained. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/**
 * Opens a model folder for images that come one by one, as to a server.
 *
 * @throws OptionError | ModelError | RuntimeError | EngineError as the command does
 * @example
 * await using model = await openModel('models/vgg16', { layer: 'fc2' });
 * const [cat] = await model.embed([await readFile('cat.jpg')]); // cat.vector: Float32Array(4096)
 */
export async function openModel(
  dir: string,
  options: ModelOptions = {},
  { signal = new AbortController().signal, onEvent = () => {} }: OpenModelHooks = {},
): Promise<Model> {
  const resolved = resolveModelOptions(dir, options);
  const extractor = await openExtractor(resolved, { signal, onEvent, isInteractive: true });
  const pool = new DecodePool(decodeOptions(resolved, extractor), resolved.workers, {
    imageTimeoutMs: resolved.imageTimeout * 1000,
  });
  return new EmbeddingModel(extractor, pool, resolved);
}

const STOPPED = 'Expected to embed all images but was asked to stop.';

/** Images that a worker takes at once, where there are many. */
const CHUNK_IMAGES = 16;

/** See Model: pool of decoding threads -> micro-batches -> engine process. */
class EmbeddingModel implements Model {
  readonly info: EngineInfo;
  readonly outputs: readonly EngineOutput[];
  readonly #extractor: Extractor;
  readonly #pool: DecodePool;
  readonly #workers: number;
  readonly #form: VectorForm;
  readonly #batcher: MicroBatcher;
  readonly #calls = new Set<AbortController>();
  #closing: Promise<void> | undefined;

  constructor(
    extractor: Extractor,
    pool: DecodePool,
    { workers, ...form }: VectorForm & Pick<ExtractOptions, 'workers'>,
  ) {
    const [height, width] = extractor.inputSize;
    this.info = extractor.engine!;
    this.outputs = extractor.outputs;
    this.#extractor = extractor;
    this.#pool = pool;
    this.#workers = workers;
    this.#form = form;
    this.#batcher = new MicroBatcher(extractor, height * width * 3);
  }

  async embed(
    images: readonly ImageInput[],
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Embedding[]> {
    if (this.#closing !== undefined) throw closedError();
    if (!Array.isArray(images)) throw refuseNoList(images);
    const tasks = images.map(taskOf);
    // Not AbortSignal.any: on Node 20 a long-lived signal keeps the signals of all calls in memory.
    const call = new AbortController();
    const onAbort = () => call.abort(interruption(signal!, STOPPED));
    if (signal?.aborted) throw interruption(signal, STOPPED);
    // Any number of calls and chunks may listen to one signal; that is no leak.
    setMaxListeners(0, call.signal, ...(signal === undefined ? [] : [signal]));
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#calls.add(call);
    try {
      return await this.#embedTasks(tasks, call.signal);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#calls.delete(call);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** In memory at once: 2 × workers + 1 chunks in flight, and about three batches that wait. */
  async #embedTasks(tasks: readonly OriginTask[], signal: AbortSignal): Promise<Embedding[]> {
    const { batchSize } = this.#extractor;
    const share = Math.ceil(tasks.length / this.#workers);
    const chunkImages = Math.max(1, Math.min(CHUNK_IMAGES, batchSize, share));
    const chunks = mapOrdered(
      this.#pool.decode(inChunks(tasks, chunkImages), signal),
      Math.max(2, Math.ceil((3 * batchSize) / chunkImages)),
      async (chunk) => {
        const { indices, pixels } = chunk;
        const vectors = await this.#batcher.run(pixels, indices.length, signal);
        for (const [row, index] of indices.entries()) {
          const name = tasks[index].origin ?? `image ${index}`;
          finishVectors(vectors[row], this.outputs, this.#form, () => name);
        }
        return { chunk, vectors };
      },
    );
    const rows: Embedding[] = new Array(tasks.length);
    for await (const { chunk, vectors } of chunks) {
      for (const [row, index] of chunk.indices.entries()) {
        const all = vectors[row];
        rows[index] = { index, origin: tasks[index].origin, vector: all[0], vectors: all };
      }
      for (const { index, reason, message } of chunk.rejections) {
        const { origin } = tasks[index];
        rows[index] = { index, origin, rejection: { reason, message } };
      }
    }
    return rows;
  }

  async #close(): Promise<void> {
    for (const call of this.#calls) call.abort(closedError());
    await this.#pool.close();
    await this.#extractor.close();
  }
}

interface OriginTask {
  readonly origin: string | undefined;
  readonly task: DecodeTask;
}

function taskOf(image: ImageInput, index: number): OriginTask {
  if (image instanceof Uint8Array) {
    // Copied when its turn comes: the pool takes what it is given.
    const fetch = async () => new Uint8Array(image);
    return { origin: undefined, task: { index, fetch } };
  }
  const origin = image instanceof URL ? image.href : image;
  if (typeof origin !== 'string') throw refuseInput(index, typeof image);
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(origin)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'file') throw refuseInput(index, `${scheme}://`);
  if (BASE64.test(origin)) throw refuseInput(index, 'base64 text', DECODE_BASE64);
  const path = scheme === undefined ? origin : fileURLToPath(origin);
  return { origin, task: { index, path } };
}

async function* inChunks(tasks: readonly OriginTask[], size: number): AsyncGenerator<DecodeTask[]> {
  for (let start = 0; start < tasks.length; start += size) {
    yield await Promise.all(tasks.slice(start, start + size).map(({ task }) => fetchTask(task)));
  }
}

/** A data: URL, or what the first bytes of JPEG, PNG, GIF and WebP are in base64, and no name. */
const BASE64 = /^(data:|(\/9j\/|iVBORw0KGgo|R0lGOD|UklGR)[\w+/=\s]{40,}$)/i;
const DECODE_BASE64 =
  "Give its bytes: Buffer.from(text, 'base64'); of a data: URL only what follows the comma.";
const FETCH = 'Fetch the image and give its bytes: new Uint8Array(await response.arrayBuffer()).';

function refuseInput(index: number, found: string, fix = FETCH): OptionError {
  return new OptionError(
    `Expected a Uint8Array or a path for image ${index} but received ${found}.`,
    { fix },
  );
}

function refuseNoList(images: unknown): OptionError {
  const found = images instanceof Uint8Array ? 'the bytes of one image' : `a ${typeof images}`;
  return new OptionError(`Expected a list of images for embed but received ${found}.`, {
    fix: "Give a list, of one image too: model.embed(['a.jpg']).",
  });
}

function closedError(): EngineError {
  return new EngineError('Expected an open model but found that it was closed.');
}
