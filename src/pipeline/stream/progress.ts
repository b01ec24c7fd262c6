import { TooManyBadError } from '../../errors.ts';
import type { RunEvent } from '../../events.ts';
import type { BadLimit } from '../../options/option-values.ts';
import type { RunToCompute } from '../open-run.ts';
import { type Estimate, RateEstimate } from './rate-estimate.ts';

/** Between two events that report only decoded images. */
const DECODED_EVERY_MS = 250;

/** Counts images of a run, reports the progress, and stops it when too many are bad. */
export class Progress {
  readonly #total: number;
  readonly #maxBad: number;
  readonly #unusable: number;
  readonly #onEvent: (event: RunEvent) => void;
  readonly #rate: RateEstimate;
  readonly #now: () => number;
  #done: number;
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
    readonly maxBad: BadLimit;
    readonly onEvent: (event: RunEvent) => void;
    /** Milliseconds; injected so that tests need not wait. */
    readonly now?: () => number;
  }) {
    this.#total = options.total;
    this.#now = options.now ?? (() => performance.now());
    this.#rate = new RateEstimate(options.total, options.done, this.#now());
    this.#done = options.done;
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
    this.#done += rows + rejections;
    this.#rejected += rejections;
    this.#checkLimit();
    const ms = this.#now();
    this.#estimate = { ...this.#rate.update(this.#done, ms), ms };
    this.#report(ms);
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
  const total = manifest.count;
  if (store.state === 'resumed') onEvent({ event: 'resumed', images: done, total });
  return new Progress({
    ...{ total, done, rejected, maxBad, onEvent },
    unusable: manifest.rejections.length,
  });
}
