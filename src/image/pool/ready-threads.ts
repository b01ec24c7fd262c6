import { DecodeThread } from './decode-thread.ts';

/**
 * Threads that load their code while nobody knows yet what they will decode: a listing keeps one core busy, and
 * the others have nothing to do.
 */
export class ReadyThreads {
  readonly #threads: DecodeThread[];

  /** @param imageTimeoutMs as the pool that takes them has it */
  constructor(count: number, imageTimeoutMs: number) {
    this.#threads = Array.from({ length: count }, () => new DecodeThread(imageTimeoutMs));
  }

  /** One that is alive, the taker's to close; undefined when none is left. */
  take(): DecodeThread | undefined {
    const thread = this.#threads.pop();
    return thread?.isDead ? this.take() : thread;
  }

  /** Ends those that nobody took. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }
}
