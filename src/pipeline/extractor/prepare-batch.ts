import { BATCH_SIZES, type ChosenBatch, chooseBatch } from '../../engine/choose-batch.ts';
import type { EnginePool } from '../../engine/engine-pool.ts';
import { EngineError } from '../../errors.ts';
import { planRun, SHARD_ROWS } from '../../run/plan-shards.ts';
import type { EngineReport, ExtractorHooks } from './extractor.ts';
import { addTuning, asMeasured, type EnginesTrial, readTuning, type TuningKey } from './tuning.ts';

/** Rows in a batch where nobody says and nothing is measured; on a CPU the rate grows no further. */
const AUTO_BATCH = { cuda: 64, cpu: 16, wasm: 4 } as const;

export interface PreparedBatch extends Pick<EngineReport, 'batchFrom' | 'trial' | 'warmUpMs'> {
  readonly batchSize: number;
}

/**
 * Says how many rows a batch has, and makes the engines ready for that shape. On CUDA `auto` measures
 * (see chooseBatch) those sizes that cut a shard into whole batches, once for a network on a GPU. Batches have one shape
 * there, or two where the end of a shard leaves another; what is smaller is filled up to one of them, and each engine
 * runs a batch of noise of each before the first real one. On CPUs none of this is useful: a batch costs what its images cost.
 *
 * The number that the run began with is used in place of what would be chosen now: its bytes may depend on it.
 * @param key what a measurement is kept by; undefined: it is not kept
 */
export async function prepareBatch(
  pool: Pick<EnginePool, 'info' | 'trial' | 'warmUp' | 'padTo'>,
  asked: number | 'auto',
  {
    recordedBatch,
    count,
    views = 1,
    isInteractive = false,
    onEvent,
  }: Omit<ExtractorHooks, 'signal'>,
  key?: TuningKey,
): Promise<PreparedBatch> {
  const { device, outputs } = pool.info;
  const recorded = asked === 'auto' ? recordedBatch?.() : undefined;
  const given = asked === 'auto' ? recorded : asked;
  const batchFrom = asked !== 'auto' ? 'option' : recorded ? 'run' : 'device';
  if (device !== 'cuda') {
    const batchSize = given ?? AUTO_BATCH[device];
    return { batchSize, batchFrom, trial: undefined, warmUpMs: 0 };
  }
  const images = Math.max((await count?.()) ?? 0, SHARD_ROWS.network);
  const lengths = outputs.map(({ length }) => length);
  const [{ end }] = planRun(images, { isPixels: false, lengths, views }).shards;
  const shardRows = end * views;
  const started = performance.now();
  onEvent({ event: 'stage', stage: 'warm-up' });
  const measured =
    given === undefined && recordedBatch
      ? await measureBatch(pool, shardRows, key && { ...key, shardRows })
      : undefined;
  const { trial, at } = measured ?? {};
  if (trial !== undefined) onEvent({ event: 'note', message: describeTrial(trial, at) });
  const batchSize = given ?? trial?.batch ?? AUTO_BATCH.cuda;
  if (!isInteractive) {
    const shapes = shapesOf(batchSize, shardRows);
    pool.padTo(shapes);
    for (const shape of shapes) await pool.warmUp(shape);
  }
  const from = trial === undefined ? batchFrom : at === undefined ? 'trial' : 'cache';
  return { batchSize, batchFrom: from, trial, warmUpMs: performance.now() - started };
}

/** @returns `at` where it was measured by an earlier run */
async function measureBatch(
  pool: Pick<EnginePool, 'trial'>,
  shardRows: number,
  key: TuningKey | undefined,
): Promise<{ readonly trial: ChosenBatch; readonly at?: string }> {
  const known = key && (await readTuning(key));
  if (known?.batch !== undefined) return { trial: known.batch, at: known.at };
  const trial = await chooseBatch((images) => pool.trial(images), sizesFor(shardRows));
  // How much memory others leave may be another matter the next time.
  if (key !== undefined && trial.stoppedBy !== 'memory') await addTuning(key, { batch: trial });
  return { trial };
}

/** Two engines must make this many times the images of one. */
const LEAST_GAIN = 1.05;

/**
 * Whether two engines on each GPU make more than one: the second computes while the first reads, copies and answers. Measured
 * once for a network on a GPU.
 * @param pool with one engine on each GPU; then with as many as are best
 * @param openMore one more for each GPU, in the same memory
 */
export async function addEngines(
  pool: EnginePool,
  openMore: () => Promise<EnginePool>,
  batch: number,
  { onEvent }: Pick<ExtractorHooks, 'onEvent'>,
  key: TuningKey,
): Promise<void> {
  const known = await readTuning(key);
  const isWorthIt = ([one, two]: EnginesTrial) => two >= LEAST_GAIN * one;
  if (known?.engines !== undefined && !isWorthIt(known.engines)) return;
  const { size } = pool;
  try {
    const one = known?.engines?.[0] ?? (await pool.measure(batch));
    pool.join(await openMore());
    await pool.warmUp(batch);
    const found = known?.engines ?? [one, await pool.measure(batch)];
    const when = known?.engines && known.at;
    const rates = found.map((rate) => rate.toFixed(0)).join(' and ');
    const number = isWorthIt(found) ? 'Two engines' : 'One engine';
    const message = `${number} on each GPU${asMeasured(when)} (images/s of one and of two: ${rates}).`;
    onEvent({ event: 'note', message });
    if (known?.engines === undefined) await addTuning(key, { engines: found });
    if (!isWorthIt(found)) await pool.shrinkTo(size);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    await pool.shrinkTo(size);
    const message = `One engine on each GPU: a second one did not run (${error.message}).`;
    onEvent({ event: 'note', message });
  }
}

/** A batch never crosses a shard: a size that does not divide it would leave a smaller batch at the end of each. */
function sizesFor(shardRows: number): readonly number[] {
  const sizes = BATCH_SIZES.filter((batch) => shardRows % batch === 0);
  return sizes.length > 0 ? sizes : [shardRows];
}

/** The batches of a whole shard, ascending: full ones, and the rest at its end. */
function shapesOf(batchSize: number, shardRows: number): number[] {
  const rest = shardRows % batchSize;
  const full = batchSize <= shardRows ? [batchSize] : [];
  return rest === 0 ? full : [rest, ...full];
}

function describeTrial({ batch, trials, stoppedBy }: ChosenBatch, at?: string): string {
  const rates = trials.map((it) => `${it.batch}: ${it.imagesPerSecond.toFixed(0)}`).join(', ');
  const why = {
    gain: 'larger ones gain less than 5 %',
    memory: 'memory holds no larger one',
    largest: 'the largest tried',
  }[stoppedBy];
  return `Batches of ${batch} images${asMeasured(at)}: ${why} (images/s by batch: ${rates}).`;
}
