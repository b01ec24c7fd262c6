import { OutOfMemory } from './out-of-memory.ts';

/** One size tried. */
export interface BatchTrial {
  readonly batch: number;
  readonly imagesPerSecond: number;
}

export interface ChosenBatch {
  readonly batch: number;
  readonly trials: readonly BatchTrial[];
  /** Why no larger one was tried. */
  readonly stoppedBy: 'gain' | 'memory' | 'largest';
}

export const BATCH_SIZES: readonly number[] = [16, 32, 64, 128, 256, 512, 1024];
/** A larger batch must make this many times the images of the best smaller one. */
const LEAST_GAIN = 1.05;
const REPETITIONS = 2;

/**
 * The smallest batch beyond which the rate hardly grows: tries batches of noise, each size twice as
 * large as the one before, until the rate gains less than 5 % or memory runs out. Where not even the
 * first one fits, the largest half, quarter, … that does.
 *
 * What it returns depends on timing, and the last bits of a network's output can depend on the batch:
 * a run keeps the number with its state and never measures twice.
 * @param trial runs one batch of noise and gives the milliseconds that the network was busy
 * @throws OutOfMemory when not one image fits; what `trial` throws
 */
export async function chooseBatch(
  trial: (images: number) => Promise<number>,
  sizes: readonly number[] = BATCH_SIZES,
): Promise<ChosenBatch> {
  const trials: BatchTrial[] = [];
  let best: BatchTrial | undefined;
  for (const batch of sizes) {
    let imagesPerSecond: number;
    try {
      imagesPerSecond = await measure(trial, batch);
    } catch (error) {
      if (!(error instanceof OutOfMemory) || batch === 1) throw error;
      if (best === undefined) return chooseBatch(trial, [Math.floor(batch / 2)]);
      return { batch: best.batch, trials, stoppedBy: 'memory' };
    }
    const tried = { batch, imagesPerSecond };
    trials.push(tried);
    const isWorthIt = best === undefined || imagesPerSecond >= LEAST_GAIN * best.imagesPerSecond;
    if (!isWorthIt) return { batch: best!.batch, trials, stoppedBy: 'gain' };
    best = tried;
  }
  return { batch: best!.batch, trials, stoppedBy: 'largest' };
}

/** The best of two, after one that chooses the kernels for the new shape. */
async function measure(trial: (images: number) => Promise<number>, n: number): Promise<number> {
  await trial(n);
  let leastMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < REPETITIONS; i++) leastMs = Math.min(leastMs, await trial(n));
  return (1000 * n) / leastMs;
}
