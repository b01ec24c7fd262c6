import { Worker } from 'node:worker_threads';
import { RunError } from '../errors.ts';
import type { DecodedChunk, DecodeOptions, DecodeTask } from './decoded-chunk.ts';
import { processGate } from './once-per-process.ts';
import type { WorkerReply, WorkerRequest, WorkerStart } from './worker-protocol.ts';

interface Job {
  readonly tasks: readonly DecodeTask[];
  readonly resolve: (chunk: DecodedChunk) => void;
  readonly reject: (error: RunError) => void;
}

/** One worker thread and the chunks given to it, from the main thread's side. */
export class DecodeThread {
  readonly #worker: Worker;
  readonly #current = new Int32Array(new SharedArrayBuffer(4));
  /** In the order they were given, which is the order the worker takes them. */
  readonly #jobs = new Map<number, Job>();
  #nextId = 0;
  #isDead = false;

  constructor(options: DecodeOptions) {
    const workerData: WorkerStart = { options, current: this.#current, processGate };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    this.#worker.on('message', (reply: WorkerReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#bury(error.message, error));
    this.#worker.on('exit', (code) => this.#bury(`exit code ${code}`));
    this.#worker.unref();
  }

  /** How many chunks it has not given back. */
  get load(): number {
    return this.#jobs.size;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Decodes one chunk after those given before. Rejects with a RunError when the thread dies. */
  decode(tasks: readonly DecodeTask[]): Promise<DecodedChunk> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#jobs.set(id, { tasks, resolve, reject });
      // Work keeps the process alive, an idle thread does not.
      this.#worker.ref();
      const { owned, buffers } = takeBytes(tasks);
      this.#worker.postMessage({ id, tasks: owned } satisfies WorkerRequest, buffers);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(reply: WorkerReply): void {
    const job = this.#jobs.get(reply.id);
    if (job === undefined) return;
    this.#jobs.delete(reply.id);
    if (this.#jobs.size === 0) this.#worker.unref();
    if ('chunk' in reply) job.resolve(reply.chunk);
    else job.reject(failure(job.tasks, reply.position, reply.failure));
  }

  #bury(cause: string, error?: unknown): void {
    this.#isDead = true;
    // Only the first chunk was in work; the others waited behind it.
    let position = Atomics.load(this.#current, 0);
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
    `Expected a decode worker to go on but found it ended (${said}) at ${nameOf(tasks[position])}, ` +
      `image ${position + 1} of ${tasks.length} in its chunk.`,
    { fix: 'Run again to go on; if it ends there again, take that image away.', cause },
  );
}

function nameOf(task: DecodeTask | undefined): string {
  return task === undefined ? 'no image' : (task.path ?? `image ${task.index}`);
}

/**
 * The tasks' bytes as buffers that can be transferred: a view that shares its buffer with others
 * (Node's pooled Buffers do) is copied, or the transfer would take the others' bytes away.
 */
function takeBytes(tasks: readonly DecodeTask[]): {
  owned: readonly DecodeTask[];
  buffers: ArrayBuffer[];
} {
  const buffers: ArrayBuffer[] = [];
  const owned = tasks.map((task) => {
    if (task.bytes === undefined) return task;
    const { buffer, byteLength } = task.bytes;
    const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
    const bytes = isWhole && !buffers.includes(buffer) ? task.bytes : new Uint8Array(task.bytes);
    buffers.push(bytes.buffer as ArrayBuffer);
    return { ...task, bytes };
  });
  return { owned, buffers };
}
