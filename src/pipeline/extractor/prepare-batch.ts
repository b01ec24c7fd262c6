import { BATCH_SIZES, type ChosenBatch, chooseBatch } from '../../engine/choose-batch.ts';
import type { EnginePool } from '../../engine/engine-pool.ts';
import { planRun, SHARD_ROWS } from '../../run/plan-shards.ts';
import type { EngineReport, ExtractorHooks } from './extractor.ts';

/** Rows in a batch where nobody says and nothing is measured; on a CPU the rate grows no further. */
const AUTO_BATCH = { cuda: 64, cpu: 16, wasm: 4 } as const;

export interface PreparedBatch extends Pick<EngineReport, 'batchFrom' | 'trial' | 'warmUpMs'> {
  readonly batchSize: number;
}

/**
 * Says how many rows a batch has, and makes the engines ready for that shape. On CUDA `auto` measures
 * (see chooseBatch) those sizes that cut a shard into whole batches. Batches have one shape there, or
 * two where the end of a shard leaves another; what is smaller is filled up to one of them, and each engine
 * runs a batch of noise of each before the first real one. On CPUs none of this is useful: a batch costs what its images cost.
 *
 * The number that the run began with is used in place of what would be chosen now: its bytes may depend on it.
 */
export async function prepareBatch(
  pool: Pick<EnginePool, 'info' | 'trial' | 'warmUp' | 'padTo'>,
  asked: number | 'auto',
  { recordedBatch, isInteractive = false, onEvent }: Omit<ExtractorHooks, 'signal'>,
): Promise<PreparedBatch> {
  const { device, outputs } = pool.info;
  const lengths = outputs.map(({ length }) => length);
  const { end: shardRows } = planRun(SHARD_ROWS.network, { isPixels: false, lengths }).shards[0];
  const started = performance.now();
  if (device === 'cuda') onEvent({ event: 'stage', stage: 'warm-up' });
  const recorded = asked === 'auto' ? recordedBatch?.() : undefined;
  let trial: ChosenBatch | undefined;
  if (asked === 'auto' && recorded === undefined && recordedBatch && device === 'cuda') {
    trial = await chooseBatch((images) => pool.trial(images), sizesFor(shardRows));
    onEvent({ event: 'note', message: describeTrial(trial) });
  }
  const given = asked === 'auto' ? recorded : asked;
  const batchSize = given ?? trial?.batch ?? AUTO_BATCH[device];
  if (device === 'cuda' && !isInteractive) {
    const shapes = shapesOf(batchSize, shardRows);
    pool.padTo(shapes);
    for (const images of shapes) await pool.warmUp(images);
  }
  return {
    batchSize,
    batchFrom: asked !== 'auto' ? 'option' : recorded ? 'run' : trial ? 'trial' : 'device',
    trial,
    warmUpMs: device === 'cuda' ? performance.now() - started : 0,
  };
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

function describeTrial({ batch, trials, stoppedBy }: ChosenBatch): string {
  const rates = trials.map((it) => `${it.batch}: ${it.imagesPerSecond.toFixed(0)}`).join(', ');
  const why = {
    gain: 'larger ones gain less than 5 %',
    memory: 'memory holds no larger one',
    largest: 'the largest tried',
  }[stoppedBy];
  return `Batches of ${batch} images, ${why} (images/s by batch: ${rates}).`;
}
