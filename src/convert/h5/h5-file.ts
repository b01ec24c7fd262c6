import { Worker } from 'node:worker_threads';
import { ModelError } from '../../errors.ts';
import type { H5Group, H5Reply, ReadRequest } from './h5-inventory.ts';

/** Threads start from built JavaScript. */
const THREAD = new URL('../../../dist/convert/h5/h5-worker.js', import.meta.url);

/** A healthy disk answers in milliseconds; after this time the library is in an endless loop. */
const DEFAULT_TIMEOUT_MS = 60_000;

export interface H5Options {
  /** The file as the user knows it, for messages; `path` may be a temporary copy. */
  readonly label: string;
  /** The longest wait for one answer of the reading thread, milliseconds. */
  readonly timeoutMs?: number;
}

/** An open HDF5 file. Close it; the reading thread runs until then. */
export class H5File {
  readonly root: H5Group;
  readonly #worker: Reader;

  private constructor(worker: Reader, root: H5Group) {
    this.#worker = worker;
    this.root = root;
  }

  /** @throws ModelError when it is not HDF5, damaged, or takes too long to list */
  static async open(path: string, options: H5Options): Promise<H5File> {
    const reader = new Reader(path, options);
    try {
      const reply = await reader.next();
      if (reply.kind !== 'inventory') throw reader.failure('an unexpected answer');
      return new H5File(reader, reply.root);
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  /**
   * Stored elements of `count` rows along the first axis (scalars: start 0, count 1), row-major.
   * Several reads may be in flight; they are answered in order.
   */
  async readRows(path: string, start: number, count: number): Promise<Uint8Array> {
    const reply = await this.#worker.ask(path, start, count);
    if (reply.kind !== 'rows') throw this.#worker.failure('an unexpected answer');
    return reply.bytes;
  }

  async close(): Promise<void> {
    await this.#worker.close();
  }
}

interface Waiting {
  resolve(reply: H5Reply): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout;
}

/** The thread and the questions that it has not answered yet, oldest first. */
class Reader {
  readonly #worker: Worker;
  readonly #options: H5Options;
  readonly #waiting: Waiting[] = [];
  #ended: ModelError | undefined;
  #lastId = 0;

  constructor(path: string, options: H5Options) {
    this.#options = options;
    this.#worker = new Worker(THREAD, {
      workerData: { path },
      // h5wasm prints HDF5's error stack: the user gets one sentence instead.
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: 512 },
    });
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.on('message', (reply: H5Reply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#end(this.failure(error.message, error)));
    this.#worker.on('exit', () => this.#end(this.failure('the reading thread stopped')));
  }

  ask(path: string, start: number, count: number): Promise<H5Reply> {
    const request: ReadRequest = { id: ++this.#lastId, path, start, count };
    const answered = this.next();
    this.#worker.postMessage(request);
    return answered;
  }

  next(): Promise<H5Reply> {
    if (this.#ended) return Promise.reject(this.#ended);
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#end(this.failure(`no end of reading after ${timeoutMs / 1000} s`));
        void this.#worker.terminate();
      }, timeoutMs);
      this.#waiting.push({ resolve, reject, timer });
    });
  }

  failure(reason: string, cause?: unknown): ModelError {
    return new ModelError(
      `Expected a readable HDF5 file in ${this.#options.label} but found: ${reason.replace(/\.$/, '')}.`,
      {
        fix: 'The file is damaged or cut short: save, copy or download it again.',
        ...(cause === undefined ? {} : { cause }),
      },
    );
  }

  async close(): Promise<void> {
    this.#end(this.failure('it was closed'));
    await this.#worker.terminate();
  }

  #settle(reply: H5Reply): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    if (reply.kind === 'failed') waiting.reject(this.failure(reply.reason));
    else waiting.resolve(reply);
  }

  #end(error: ModelError): void {
    this.#ended ??= error;
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(error);
    }
  }
}
