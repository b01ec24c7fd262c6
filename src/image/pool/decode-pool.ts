import { Interrupted, isImg2FeaturesError, RunError } from '../../errors.ts';
import {
  type DecodedChunk,
  type DecodeOptions,
  type DecodeTask,
  type ImageRejection,
  toRejection,
} from '../decoded-chunk.ts';
import { journalPath, removeJournals } from './decode-journal.ts';
import { DecodeThread, ImageTimedOut, type ReadyThreads, ThreadReplaced } from './decode-thread.ts';

/** What a pool does about images that take too long or end the process. */
export interface PoolGuard {
  /** Milliseconds that one image may be decoded for; then it is a rejection `timeout`. */
  readonly imageTimeoutMs?: number;
  /** Folder for the journals of what is in work, removed by a clean end; see DecodeJournal. */
  readonly journalDir?: string;
  /** Threads that were started ahead. */
  readonly ready?: ReadyThreads;
  /** Images never to be decoded (rejection `crashed`): manifest position to message. */
  readonly setAside?: ReadonlyMap<number, string>;
}

/**
 * Worker threads that read, decode and resize chunks of images.
 *
 * Results come in the order of the input, whatever thread finished first. At most `2 * workers + 1`
 * chunks are in flight: given to a worker, in work, or finished and not yet taken; each holds its
 * tasks' bytes or its rows. Threads start when there is work for them and do not keep the process
 * alive while idle.
 *
 * @example
 * const pool = new DecodePool(options, 2);
 * try {
 *   // chunk.pixels: uint8 [n, height, width, 3]
 *   for await (const chunk of pool.decode(chunks, signal)) use(chunk.pixels);
 * } finally {
 *   await pool.close();
 * }
 */
export class DecodePool {
  readonly #options: DecodeOptions;
  readonly #workers: number;
  readonly #guard: PoolGuard;
  readonly #threads: DecodeThread[] = [];
  /** Of chunks that are done with. New memory for each would keep the garbage collector busy. */
  readonly #spare: SharedArrayBuffer[] = [];
  /** Of the largest chunk so far. */
  #memoryBytes = 0;
  #started = 0;
  #isClosed = false;

  constructor(options: DecodeOptions, workers: number, guard: PoolGuard = {}) {
    this.#options = options;
    this.#workers = workers;
    this.#guard = guard;
  }

  /** Rows of each image. */
  get views(): number {
    return this.#options.views?.count ?? 1;
  }

  /** Of all rows of an image: views × height × width × 3. */
  get imageBytes(): number {
    return this.views * this.#options.width * this.#options.height * 3;
  }

  /**
   * Decodes all chunks. A bad image is a rejection in its chunk; a worker that fails or ends, an
   * error of the input or an abort is thrown.
   *
   * @throws RunError naming the image when a worker ends early or fails for another reason than the
   * image's content
   * @throws Interrupted (or the signal's reason, when that is an Img2FeaturesError) after an abort
   */
  async *decode(
    chunks: AsyncIterable<readonly DecodeTask[]> | Iterable<readonly DecodeTask[]>,
    signal: AbortSignal,
  ): AsyncGenerator<DecodedChunk, void, undefined> {
    const input = iterate(chunks);
    const pending: Promise<DecodedChunk>[] = [];
    let next: Promise<IteratorResult<readonly DecodeTask[], unknown>> | undefined;
    let hasEnded = false;
    try {
      for (;;) {
        if (!hasEnded && next === undefined && pending.length < 2 * this.#workers + 1) {
          next = Promise.resolve(input.next());
        }
        if (next === undefined && pending.length === 0) return;
        // A slow source does not block the decoder, nor a slow decoder the source.
        const event = await raceAbort<PoolEvent>(signal, [
          ...(next === undefined ? [] : [next.then((result) => ({ result }))]),
          ...pending.slice(0, 1).map((chunk) => chunk.then((done) => ({ done }))),
        ]);
        if ('done' in event) {
          void pending.shift();
          yield event.done;
        } else {
          next = undefined;
          if (event.result.done) hasEnded = true;
          else pending.push(this.#submit(event.result.value));
        }
      }
    } finally {
      // A source that is still reading a chunk ends by its own signal; waiting for it here could
      // hang.
      next?.catch(() => {});
      const ended = Promise.resolve(input.return?.()).catch(() => {});
      if (next === undefined) await ended;
    }
  }

  /** Takes the memory of a chunk for another one; nobody may read its pixels any more. */
  recycle({ pixels: { buffer } }: DecodedChunk): void {
    if (buffer instanceof SharedArrayBuffer) this.#spare.push(buffer);
  }

  /** Ends all threads; chunks still in work are lost. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
    // Nothing crashed: no image must be checked later.
    if (this.#guard.journalDir !== undefined) removeJournals(this.#guard.journalDir);
  }

  #submit(tasks: readonly DecodeTask[]): Promise<DecodedChunk> {
    const chunk = this.#decodeAgain(tasks);
    // Its failure is thrown in the order of the chunks, or never if the consumer stops before.
    chunk.catch(() => {});
    return chunk;
  }

  /**
   * Decodes a chunk by as many threads as needed: an image that takes too long is rejected and costs
   * its thread; the others of the chunk are decoded again by the next one.
   */
  async #decodeAgain(tasks: readonly DecodeTask[]): Promise<DecodedChunk> {
    const { setAside } = this.#guard;
    const rejections: ImageRejection[] = [];
    let left = tasks;
    if (setAside?.size && tasks.some(({ index }) => setAside.has(index))) {
      for (const { index } of tasks) {
        const message = setAside.get(index);
        if (message !== undefined) rejections.push({ index, reason: 'crashed', message });
      }
      left = tasks.filter(({ index }) => !setAside.has(index));
    }
    for (;;) {
      try {
        const chunk = await this.#leastBusyThread().decode(left, this.#memoryFor(left.length));
        if (rejections.length === 0) return chunk;
        rejections.push(...chunk.rejections);
        return { ...chunk, rejections: rejections.sort((a, b) => a.index - b.index) };
      } catch (error) {
        if (error instanceof ImageTimedOut) {
          const { index } = left[error.position];
          const message = `Expected an image that is decoded within ${this.#imageTimeoutMs / 1000} s (--image-timeout) but found one that takes longer.`;
          rejections.push({ index, reason: 'timeout', message });
          left = left.filter((task) => task.index !== index);
        } else if (!(error instanceof ThreadReplaced)) throw error;
        left = await withBytes(left, rejections);
      }
    }
  }

  #memoryFor(images: number): SharedArrayBuffer {
    this.#memoryBytes = Math.max(this.#memoryBytes, images * this.imageBytes);
    const spare = this.#spare.pop();
    return spare?.byteLength === this.#memoryBytes
      ? spare
      : new SharedArrayBuffer(this.#memoryBytes);
  }

  get #imageTimeoutMs(): number {
    return this.#guard.imageTimeoutMs ?? 2 ** 31;
  }

  #leastBusyThread(): DecodeThread {
    if (this.#isClosed) throw new RunError('Expected an open decode pool but found it closed.');
    const alive = this.#threads.filter((thread) => !thread.isDead);
    this.#threads.splice(0, this.#threads.length, ...alive);
    const idle = alive.find((thread) => thread.load === 0);
    if (idle !== undefined) return idle;
    if (alive.length < this.#workers) {
      const { journalDir } = this.#guard;
      const started = this.#guard.ready?.take() ?? new DecodeThread(this.#imageTimeoutMs);
      this.#threads.push(started);
      return started.enlist({
        options: this.#options,
        journal: journalDir && journalPath(journalDir, this.#started++),
      });
    }
    return alive.reduce((best, thread) => (thread.load < best.load ? thread : best));
  }
}

type PoolEvent =
  | { readonly result: IteratorResult<readonly DecodeTask[], unknown> }
  | { readonly done: DecodedChunk };

function iterate<T>(values: AsyncIterable<T> | Iterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in values
    ? values[Symbol.asyncIterator]()
    : values[Symbol.iterator]();
}

/**
 * The first of the promises to settle, or the abort. The listener goes with each call: racing one
 * long-lived promise would keep every chunk alive until the signal fires.
 */
async function raceAbort<T>(signal: AbortSignal, promises: readonly Promise<T>[]): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortReason(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([aborted, ...promises]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function abortReason(signal: AbortSignal): Error {
  if (isImg2FeaturesError(signal.reason)) return signal.reason;
  return new Interrupted('Expected to decode all images but was asked to stop.', {
    cause: signal.reason,
  });
}

/** Bytes went with the thread that was ended: they are fetched again. */
async function withBytes(
  tasks: readonly DecodeTask[],
  rejections: ImageRejection[],
): Promise<readonly DecodeTask[]> {
  const whole: DecodeTask[] = [];
  for (const task of tasks) {
    if (task.bytes === undefined) {
      whole.push(task);
      continue;
    }
    if (task.fetch === undefined) {
      throw new RunError(
        `Expected the bytes of image ${task.index} again but found no way to read them.`,
      );
    }
    try {
      whole.push({ ...task, bytes: await task.fetch() });
    } catch (error) {
      rejections.push(toRejection(task.index, error));
    }
  }
  return whole;
}
