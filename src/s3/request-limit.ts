/** Requests in flight at most, and where an undisturbed store starts. */
const MAX_REQUESTS = 64;

/** Cuts within this time are one event: the requests that were in flight when the store first said "slow". */
const CUT_INTERVAL_MS = 250;

/**
 * How many requests may be in flight: halved when the store asks to slow down, one more for each full round
 * of successes, as TCP does. Requests over the limit wait in the order they came.
 */
export class RequestLimit {
  readonly #max: number;
  #limit: number;
  #inFlight = 0;
  #lastCut = Number.NEGATIVE_INFINITY;
  readonly #waiting: (() => void)[] = [];

  constructor(max = MAX_REQUESTS) {
    this.#max = max;
    this.#limit = max;
  }

  /** Requests that may be in flight now. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Resolves when there is room; the caller must `leave` then. Rejects with the signal's reason. */
  async enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#inFlight < this.limit) {
      this.#inFlight++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const stop = () => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      this.#waiting.push(go);
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  leave(): void {
    this.#inFlight--;
    this.#admit();
  }

  succeeded(): void {
    this.#limit = Math.min(this.#max, this.#limit + 1 / this.#limit);
  }

  slowDown(now = performance.now()): void {
    if (now - this.#lastCut < CUT_INTERVAL_MS) return;
    this.#lastCut = now;
    this.#limit = Math.max(1, this.#limit / 2);
  }

  #admit(): void {
    while (this.#inFlight < this.limit && this.#waiting.length > 0) {
      this.#inFlight++;
      this.#waiting.shift()!();
    }
  }
}
