/** The recent rate, and how long the rest will take, from the times of the steps. */
export interface Estimate {
  readonly perSecond: number;
  readonly secondsLeft: number;
}

interface Sample {
  readonly ms: number;
  readonly done: number;
}

/**
 * What is recent: so many milliseconds, and half of the run so far where that is more, so that a short pause in a
 * long run has little effect; and so many steps at least, for one batch may take a minute.
 */
const WINDOW_MS = 30_000;
const WINDOW_SHARE = 0.5;
const LEAST_STEPS = 8;
/** Steps closer together than this came in one burst, which does not predict what follows. */
const LEAST_MS = 200;
/** Time in which a new rate takes over two thirds of the estimate. */
const SETTLE_MS = 8000;

/**
 * Estimates from the recent rate, so that a run whose images grow larger, or whose machine gets
 * busier, shows it. What came before the first step (a library that loads, kernels that are compiled, the
 * first files) is not rate: the clock starts there. The time left follows a changed rate within seconds
 * and never at once.
 */
export class RateEstimate {
  readonly #total: number;
  readonly #samples: Sample[] = [];
  readonly #started: Sample;
  #left: { readonly ms: number; readonly seconds: number } | undefined;

  /** @param done what earlier attempts did, which is not part of the rate */
  constructor(total: number, done: number, startedMs: number) {
    this.#total = total;
    this.#started = { ms: startedMs, done };
  }

  /** After each step: so much is done now. */
  update(done: number, nowMs: number): Estimate {
    this.#samples.push({ ms: nowMs, done });
    this.#forget(nowMs);
    const perSecond = this.#rate({ ms: nowMs, done });
    const secondsLeft = this.#settle((this.#total - done) / Math.max(perSecond, 1e-9), nowMs);
    return { perSecond, secondsLeft: done >= this.#total ? 0 : secondsLeft };
  }

  #forget(nowMs: number): void {
    const samples = this.#samples;
    const window = Math.max(WINDOW_MS, WINDOW_SHARE * (nowMs - this.#started.ms));
    let first = 0;
    while (samples.length - first > LEAST_STEPS + 1 && samples[first + 1].ms < nowMs - window) {
      first += 1;
    }
    if (first > 0) samples.splice(0, first);
  }

  #rate(last: Sample): number {
    const [first] = this.#samples;
    // One step or burst alone: the start is all there is to measure from, warm-up included.
    const from = first === undefined || last.ms - first.ms < LEAST_MS ? this.#started : first;
    return (1000 * (last.done - from.done)) / Math.max(last.ms - from.ms, 1);
  }

  /** The old estimate less the time since, drawn towards the new one. */
  #settle(seconds: number, nowMs: number): number {
    const before = this.#left;
    // Until steps have been measured without the warm-up there is no rate to keep.
    if (before === undefined || this.#samples.length <= 3) {
      this.#left = { ms: nowMs, seconds };
      return seconds;
    }
    const elapsed = nowMs - before.ms;
    const expected = Math.max(0, before.seconds - elapsed / 1000);
    const share = 1 - Math.exp(-elapsed / SETTLE_MS);
    const settled = expected + share * (seconds - expected);
    this.#left = { ms: nowMs, seconds: settled };
    return settled;
  }
}
