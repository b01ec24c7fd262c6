import { DecodeThread } from './decode-thread.ts';

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
