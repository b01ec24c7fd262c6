/** Wall-clock milliseconds by stage name, and sums reported by workers. */
export class StageClock<Stage extends string> {
  readonly #started = performance.now();
  readonly #ms = new Map<Stage, number>();

  /** Adds the time that `work` takes to `stage`, whether it succeeds or not. */
  async time<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.add(stage, performance.now() - start);
    }
  }

  add(stage: Stage, ms: number): void {
    this.#ms.set(stage, this.ms(stage) + ms);
  }

  ms(stage: Stage): number {
    return this.#ms.get(stage) ?? 0;
  }

  /** Since the clock was made. */
  totalMs(): number {
    return performance.now() - this.#started;
  }
}

/** Stages of a run; read, decode and resize are summed over the worker threads. */
export type RunClock = StageClock<
  'list' | 'extract' | 'reduce' | 'export' | 'report' | 'read' | 'decode' | 'resize'
>;
