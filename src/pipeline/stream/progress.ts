import { TooManyBadError } from '../../errors.ts';
import type { RunEvent } from '../../events.ts';
import type { BadLimit } from '../../options/option-values.ts';
import { imagesIn } from '../../run/plan-shards.ts';
import type { RunToCompute } from '../open-run.ts';

/** Between two events that report only decoded images. */
const DECODED_EVERY_MS = 250;

/** Counts images of a run, reports the progress, and stops it when too many are bad. */
export class Progress {
  readonly #total: number;
  readonly #maxBad: number;
  readonly #unusable: number;
  readonly #views: number;
  readonly #onEvent: (event: RunEvent) => void;
  readonly #rate: RateEstimate;
  readonly #now: () => number;
  readonly #doneBefore: number;
  #newRejected = 0;
  #decoded: number;
  #rejected: number;
  #estimate: (Estimate & { readonly ms: number }) | undefined;
  #reportedAt = Number.NEGATIVE_INFINITY;
  /** Rows made by this attempt. */
  newRows = 0;

  constructor(options: {
    /** Images of the manifest. */
    readonly total: number;
    /** Finished by earlier attempts, rejections included. */
    readonly done: number;
    /** Rejected by the listing: those are not of the manifest's images. */
    readonly unusable: number;
    /** Rejected so far by earlier attempts. */
    readonly rejected: number;
    /** Rows of each image; undefined = 1. */
    readonly views?: number;
    readonly maxBad: BadLimit;
    readonly onEvent: (event: RunEvent) => void;
    /** Milliseconds; injected so that tests need not wait. */
    readonly now?: () => number;
  }) {
    this.#total = options.total;
    this.#now = options.now ?? (() => performance.now());
    this.#rate = new RateEstimate(options.total, options.done, this.#now());
    this.#doneBefore = options.done;
    this.#views = options.views ?? 1;
    this.#decoded = options.done;
    this.#unusable = options.unusable;
    this.#rejected = options.unusable + options.rejected;
    this.#onEvent = options.onEvent;
    const { maxBad } = options;
    this.#maxBad = 'count' in maxBad ? maxBad.count : (maxBad.percent / 100) * this.#found;
    this.#checkLimit();
  }

  /** @throws TooManyBadError when more images are bad than `--max-bad` allows. */
  advance(rows: number, rejections: number): void {
    this.newRows += rows;
    this.#newRejected += rejections;
    this.#rejected += rejections;
    this.#checkLimit();
    const ms = this.#now();
    this.#estimate = { ...this.#rate.update(this.#done, ms), ms };
    this.#report(ms);
  }

  /** Images with all their rows, or rejected. */
  get #done(): number {
    return this.#doneBefore + Math.floor(this.newRows / this.#views) + this.#newRejected;
  }

  /** So many images more are ready for the network. */
  addDecoded(images: number): void {
    this.#decoded += images;
    const ms = this.#now();
    if (ms - this.#reportedAt >= DECODED_EVERY_MS) this.#report(ms);
  }

  #report(ms: number): void {
    this.#reportedAt = ms;
    const estimate = this.#estimate;
    this.#onEvent({
      event: 'progress',
      done: this.#done,
      total: this.#total,
      decoded: this.#decoded,
      rejected: this.#rejected,
      imagesPerSecond: estimate?.perSecond ?? 0,
      secondsLeft: estimate ? Math.max(0, estimate.secondsLeft - (ms - estimate.ms) / 1000) : null,
    });
  }

  /** Rows and rejections in the end. */
  get #found(): number {
    return this.#total + this.#unusable;
  }

  #checkLimit(): void {
    if (this.#rejected <= this.#maxBad) return;
    throw new TooManyBadError(
      `Expected at most ${Math.floor(this.#maxBad)} bad images (--max-bad) but found ${this.#rejected} ` +
        `among the first ${this.#done + this.#unusable} of ${this.#found}.`,
      {
        fix: 'Look at the reasons; repair the images or raise --max-bad. The same command resumes the run.',
      },
    );
  }
}

/** The progress of a run so far: what earlier attempts did and what an update reuses is done. */
export function openProgress(
  { manifest, store, update }: RunToCompute,
  { maxBad, onEvent }: { maxBad: BadLimit; onEvent: (event: RunEvent) => void },
): Progress {
  const waiting = update?.reused.countWaiting() ?? { images: 0, rejected: 0 };
  let done = waiting.images;
  let rejected = waiting.rejected;
  for (const { id, start, end } of store.plan.shards) {
    if (!store.isCommitted(id)) continue;
    done += end - start;
    rejected += store.shardRecord(id).rejections.length;
  }
  const total = imagesIn(store.plan);
  if (store.state === 'resumed') onEvent({ event: 'resumed', images: done, total });
  return new Progress({
    ...{ total, done, rejected, maxBad, onEvent },
    unusable: manifest.rejections.length,
    views: store.plan.views,
  });
}

/** The recent rate, and how long the rest will take, from the times of the steps. */
interface Estimate {
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

/** Wall-clock milliseconds by stage name, and sums reported by workers. */
export class StageClock<Stage extends string> {
  readonly #started = performance.now();
  readonly #ms = new Map<Stage, number>();
  #total: number | undefined;

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

  /** Ends the total: the page, run.json and the terminal show the same one. */
  stop(): void {
    this.#total ??= performance.now() - this.#started;
  }

  /** Since the clock was made, until it was stopped. */
  totalMs(): number {
    return this.#total ?? performance.now() - this.#started;
  }
}

/** Stages of a run; read, decode and resize are summed over the worker threads. */
export type RunClock = StageClock<
  'list' | 'extract' | 'reduce' | 'export' | 'report' | 'read' | 'decode' | 'resize'
>;
