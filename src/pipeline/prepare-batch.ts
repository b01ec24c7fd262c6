import { type ChosenBatch, chooseBatch } from '../engine/choose-batch.ts';
import type { EnginePool } from '../engine/engine-pool.ts';
import type { EngineReport } from './extractor.ts';
import type { ExtractorHooks } from './network-extractor.ts';

/** Rows in a batch where nobody says and nothing is measured; on a CPU the rate grows no further. */
const AUTO_BATCH = { cuda: 64, cpu: 16, wasm: 4 } as const;

export interface PreparedBatch extends Pick<EngineReport, 'batchFrom' | 'trial' | 'warmUpMs'> {
  readonly batchSize: number;
}

/**
 * Says how many rows a batch has, and makes the engines ready for that shape. On CUDA `auto` measures
 * (see chooseBatch), batches of any other size are filled up, and each engine runs one batch of noise
 * before the first real one. On CPUs none of this pays: a batch costs what its images cost.
 *
 * What the run began with goes before what would be chosen now: its bytes may depend on it.
 */
export async function prepareBatch(
  pool: Pick<EnginePool, 'info' | 'trial' | 'warmUp' | 'padTo'>,
  asked: number | 'auto',
  { recordedBatch, isInteractive = false, onEvent }: Omit<ExtractorHooks, 'signal'>,
): Promise<PreparedBatch> {
  const { device } = pool.info;
  const started = performance.now();
  const recorded = asked === 'auto' ? await recordedBatch?.() : undefined;
  let trial: ChosenBatch | undefined;
  if (asked === 'auto' && recorded === undefined && recordedBatch && device === 'cuda') {
    trial = await chooseBatch((images) => pool.trial(images));
    onEvent({ event: 'note', message: describeTrial(trial) });
  }
  const given = asked === 'auto' ? recorded : asked;
  const batchSize = given ?? trial?.batch ?? AUTO_BATCH[device];
  if (device === 'cuda' && !isInteractive) {
    pool.padTo(batchSize);
    await pool.warmUp(batchSize);
  }
  return {
    batchSize,
    batchFrom: asked !== 'auto' ? 'option' : recorded ? 'run' : trial ? 'trial' : 'device',
    trial,
    warmUpMs: device === 'cuda' ? performance.now() - started : 0,
  };
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
