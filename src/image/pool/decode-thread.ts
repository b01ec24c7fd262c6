import { Worker } from 'node:worker_threads';
import { RunError } from '../../errors.ts';
import { type DecodedChunk, type DecodeOptions, type DecodeTask, SLOT } from '../decoded-chunk.ts';
import type { FilePart } from '../file-part.ts';
import { processGate } from '../formats/decode-with-sharp.ts';

/** The image at `position` of the chunk took too long; the thread was ended and nothing is decoded. */
export class ImageTimedOut extends Error {
  readonly position: number;

  constructor(position: number) {
    super('The time for one image is over.');
    this.position = position;
  }
}

/** The thread was ended because of an image in a chunk before this one. */
export class ThreadReplaced extends Error {}

interface Job {
  readonly tasks: readonly DecodeTask[];
  readonly resolve: (chunk: DecodedChunk) => void;
  readonly reject: (error: Error) => void;
}

/**
 * How often a worker is checked within the time for one image. Checks are counted, not the clock's time: a process
 * that was stopped for a while (Ctrl-Z) misses checks, and no image is rejected for that.
 */
const LOOKS = 8;

/** One worker thread and the chunks given to it, from the main thread's side. */
export class DecodeThread {
  readonly #worker: Worker;
  readonly #current = new Int32Array(new SharedArrayBuffer(4 * Object.keys(SLOT).length));
  /** In the order they were given, which is the order the worker takes them. */
  readonly #jobs = new Map<number, Job>();
  /** Set with the first chunk. */
  #orders: WorkerOrders | undefined;
  readonly #watch: NodeJS.Timeout;
  #nextId = 0;
  #isDead = false;
  #isClosing = false;
  #lastTurn = 0;
  #looksAtTurn = 0;

  /** @param imageTimeoutMs milliseconds that one image may be decoded for */
  constructor(imageTimeoutMs: number) {
    const workerData: WorkerStart = { current: this.#current, processGate };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    this.#worker.on('message', (reply: WorkerReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#bury(error.message, error));
    this.#worker.on('exit', (code) => this.#bury(`exit code ${code}`));
    this.#worker.unref();
    this.#watch = setInterval(() => this.#look(), Math.min(imageTimeoutMs / LOOKS, 2 ** 30));
    this.#watch.unref();
  }

  /** What it is to do with the chunks; before the first one. */
  enlist(orders: WorkerOrders): this {
    this.#orders = orders;
    return this;
  }

  /** How many chunks it has not returned. */
  get load(): number {
    return this.#jobs.size;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /**
   * Decodes one chunk after those given before. Rejects with ImageTimedOut or ThreadReplaced, after
   * which another thread may take what is left, and with a RunError when the thread ends early.
   * @param memory for the rows; after a rejection the thread may still write there
   */
  decode(tasks: readonly DecodeTask[], memory: SharedArrayBuffer): Promise<DecodedChunk> {
    const orders = this.#orders!;
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#jobs.set(id, { tasks, resolve, reject });
      // Work keeps the process alive, an idle thread does not.
      this.#worker.ref();
      const { owned, buffers } = takeBytes(tasks);
      const request: WorkerRequest = { id, tasks: packFiles(owned) ?? owned, memory, ...orders };
      this.#worker.postMessage(request, buffers);
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    Atomics.store(this.#current, SLOT.stop, 1);
    clearInterval(this.#watch);
    await this.#worker.terminate();
  }

  #settle(reply: WorkerReply): void {
    const job = this.#jobs.get(reply.id);
    if (job === undefined) return;
    this.#jobs.delete(reply.id);
    // While it is being ended, the process must wait for it.
    if (this.#jobs.size === 0 && !this.#isClosing) this.#worker.unref();
    if ('chunk' in reply) job.resolve(reply.chunk);
    else job.reject(failure(job.tasks, reply.position, reply.failure));
  }

  #look(): void {
    const turn = Atomics.load(this.#current, SLOT.turns);
    const isDecoding = turn % 2 !== 0;
    this.#looksAtTurn = isDecoding && turn === this.#lastTurn ? this.#looksAtTurn + 1 : 0;
    this.#lastTurn = turn;
    if (this.#looksAtTurn >= LOOKS) this.#replace();
  }

  #replace(): void {
    const slow = Atomics.load(this.#current, SLOT.job);
    const position = Atomics.load(this.#current, SLOT.position);
    this.#isDead = true;
    clearInterval(this.#watch);
    for (const [id, { reject }] of this.#jobs) {
      reject(id === slow ? new ImageTimedOut(position) : new ThreadReplaced());
    }
    this.#jobs.clear();
    Atomics.store(this.#current, SLOT.stop, 1);
    // Not waited for: a native decoder ends only when it returns.
    void this.#worker.terminate();
  }

  #bury(cause: string, error?: unknown): void {
    this.#isDead = true;
    clearInterval(this.#watch);
    // Only the first chunk was in work; the others waited behind it.
    let position = Math.max(0, Atomics.load(this.#current, SLOT.position));
    for (const job of this.#jobs.values()) {
      job.reject(failure(job.tasks, position, cause, error));
      position = 0;
    }
    this.#jobs.clear();
  }
}

function failure(
  tasks: readonly DecodeTask[],
  position: number,
  said: string,
  cause?: unknown,
): RunError {
  return new RunError(
    `Expected a decode worker to run but found that it ended (${said}) at ${nameOf(tasks[position])}, ` +
      `image ${position + 1} of ${tasks.length} in its chunk.`,
    {
      fix: 'Run the same command again to resume; if it ends there again, remove that image from the input.',
      cause,
    },
  );
}

function nameOf(task: DecodeTask | undefined): string {
  return task === undefined ? 'no image' : (task.name ?? task.path ?? `image ${task.index}`);
}

/** Smaller bodies go into one buffer together: each transfer costs more than their copy. */
const LARGE_BODY = 64 << 10;

/**
 * The tasks' bytes as buffers that can be transferred: a view that shares its buffer with others
 * (Node's pooled Buffers and rows of a table do) is copied, or the transfer would remove the others' bytes.
 */
function takeBytes(tasks: readonly DecodeTask[]): {
  owned: readonly DecodeTask[];
  buffers: ArrayBuffer[];
} {
  /** By buffer: the task that brings it along. */
  const moved = new Map<ArrayBufferLike, number>();
  let length = 0;
  for (const [i, { bytes }] of tasks.entries()) {
    if (bytes === undefined) continue;
    const { buffer, byteLength } = bytes;
    const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
    if (isWhole && byteLength > LARGE_BODY && !moved.has(buffer)) moved.set(buffer, i);
    else length += byteLength;
  }
  const together = new Uint8Array(length);
  let at = 0;
  const owned = tasks.map(({ fetch: _, listed, ...task }, i) => {
    const { bytes } = task;
    if (bytes === undefined) return { ...task, ...(listed && { listed }) };
    if (moved.get(bytes.buffer) === i) return task;
    const copy = together.subarray(at, at + bytes.length);
    copy.set(bytes);
    at += bytes.length;
    return { ...task, bytes: copy };
  });
  return { owned, buffers: [...moved.keys(), together.buffer] as ArrayBuffer[] };
}

/** Tasks of listed files as columns: a message of few arrays is made and read several times as fast as one of many objects. */
interface PackedFiles {
  readonly indices: readonly number[];
  readonly paths: readonly string[];
  readonly sizes: readonly number[];
  readonly versions: readonly string[];
  readonly parts: readonly (FilePart | undefined)[];
  readonly origins: readonly (string | undefined)[] | undefined;
}

/** @returns undefined where other tasks are among them */
function packFiles(tasks: readonly DecodeTask[]): PackedFiles | undefined {
  const isFile = ({ path, listed, bytes, name }: DecodeTask) =>
    path !== undefined && listed !== undefined && bytes === undefined && name === undefined;
  if (!tasks.every(isFile)) return undefined;
  return {
    indices: tasks.map(({ index }) => index),
    paths: tasks.map(({ path }) => path!),
    sizes: tasks.map(({ listed }) => listed!.size),
    versions: tasks.map(({ listed }) => listed!.version),
    parts: tasks.map(({ listed }) => listed!.part),
    origins: tasks[0]?.origin === undefined ? undefined : tasks.map(({ origin }) => origin),
  };
}

/** The tasks of a request. */
export function unpackTasks(tasks: WorkerRequest['tasks']): readonly DecodeTask[] {
  if (!('paths' in tasks)) return tasks;
  const { indices, paths, sizes, versions, parts, origins } = tasks;
  return indices.map((index, i) => ({
    index,
    path: paths[i],
    origin: origins?.[i],
    listed: { size: sizes[i], version: versions[i], part: parts[i] },
  }));
}

/** What a decode worker is started with; what to decode comes with the chunks. */
export interface WorkerStart {
  /** Shared, see SLOT: where the worker is. It remains when the worker has ended. */
  readonly current: Int32Array;
  /** What `oncePerProcess` waits on. */
  readonly processGate: Int32Array;
}

/** To the worker: one chunk. */
export interface WorkerRequest extends WorkerOrders {
  readonly id: number;
  readonly tasks: readonly DecodeTask[] | PackedFiles;
  /** For the rows. */
  readonly memory: SharedArrayBuffer;
}

/** The same with every chunk of a pool. */
interface WorkerOrders {
  readonly options: DecodeOptions;
  /** File that names the images in work, for the case that the whole process ends. */
  readonly journal: string | undefined;
}

/**
 * From the worker: its result, or an error that no image caused, and where in the chunk it came.
 */
export type WorkerReply =
  | { readonly id: number; readonly chunk: DecodedChunk }
  | { readonly id: number; readonly failure: string; readonly position: number };

/** A pool starts further ones when there is work for them: ten images need no 64 threads. */
const MOST = 4;

/**
 * Threads that load their code while nobody knows yet what they will decode: a listing keeps one core busy, and
 * the others have nothing to do.
 */
export class ReadyThreads {
  readonly #threads: DecodeThread[];

  /**
   * @param workers threads that the pool may have
   * @param imageTimeoutMs as the pool that takes them has it
   */
  constructor(workers: number, imageTimeoutMs: number) {
    const length = Math.min(workers, MOST);
    this.#threads = Array.from({ length }, () => new DecodeThread(imageTimeoutMs));
  }

  /** One that still runs, which the caller must close; undefined when none is left. */
  take(): DecodeThread | undefined {
    const thread = this.#threads.pop();
    return thread?.isDead ? this.take() : thread;
  }

  /** Ends those that nobody took. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }
}
