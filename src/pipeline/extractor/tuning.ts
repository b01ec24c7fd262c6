/** What was measured of a network on a GPU: the next run on the same GPU need not measure again. */
import type { ChosenBatch } from '../../engine/choose-batch.ts';
import type { EngineInfo, Precision } from '../../engine/engine.ts';
import { resolveLayers } from '../../engine/resolve-layers.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { addNote, readNotes } from '../../runtime/cache-dir.ts';
import { networkHash } from '../identify-run.ts';

/** The GPU with its driver, and what runs on it. */
export interface TuningKey {
  readonly info: Pick<EngineInfo, 'deviceName' | 'library' | 'engine'>;
  readonly precision: Precision;
  /** Of the network's layers: see networkHash. */
  readonly network: string;
  /** Rows of a shard: batches are tried that divide it. */
  readonly shardRows?: number;
}

/** Images a second of all engines together, by engines on each GPU: [of one, of two]. */
export type EnginesTrial = readonly number[];

/** What a precision gives in place of fp32. */
export interface PrecisionGain {
  readonly precision: Precision;
  /** Times the images a second. */
  readonly ratio: number;
  /** Of the features to those in fp32; the least of the built-in images. */
  readonly cosine: number;
}

export interface Tuning {
  /** ISO 8601, of what was measured last. */
  readonly at: string;
  readonly batch?: ChosenBatch;
  readonly engines?: EnginesTrial;
  /** Of tf32 and fp16. */
  readonly gains?: readonly PrecisionGain[];
}

const NOTES = 'tuning';

/** Undefined where nothing was measured, or no name says which GPU this is. */
export async function readTuning(key: TuningKey): Promise<Tuning | undefined> {
  const name = nameOf(key);
  return name === undefined ? undefined : (await readNotes<Tuning>(NOTES))[name];
}

export async function addTuning(key: TuningKey, measured: Omit<Tuning, 'at'>): Promise<void> {
  const name = nameOf(key);
  if (name === undefined) return;
  const before = await readTuning(key);
  await addNote(NOTES, name, { ...before, ...measured, at: new Date().toISOString() });
}

/** The key of what other precisions give of a whole network, whichever layers are asked for. */
export function gainsKey(info: TuningKey['info'], folder: ModelFolder): TuningKey {
  const network = networkHash(folder, resolveLayers(folder, []));
  return { info, precision: 'fp32', network };
}

/**
 * For those who compare: fp32 is strict here, and by default Keras' and PyTorch's own convolutions on the same GPU are not.
 * @param at where it was measured before
 */
export function describeGains(gains: readonly PrecisionGain[], at?: string): string {
  const found = gains.map(
    ({ precision, ratio, cosine }) =>
      `--precision ${precision} ${ratio.toFixed(1)} times the images/s, cosine ${floor(cosine)}`,
  );
  const what = found.length === 0 ? 'neither tf32 nor fp16 runs' : found.join('; ');
  return `In place of fp32 on this GPU${asMeasured(at)}: ${what}.`;
}

export function asMeasured(at: string | undefined): string {
  return at === undefined ? '' : `, as measured on ${at.slice(0, 10)}`;
}

/** Never nearer to 1 than it is: 0.99996. */
function floor(cosine: number): string {
  return String(Math.floor(cosine * 1e6) / 1e6);
}

function nameOf({ info, precision, network, shardRows }: TuningKey): string | undefined {
  const { deviceName, library, engine } = info;
  if (deviceName === undefined) return undefined;
  const rows = shardRows === undefined ? '' : `, shards of ${shardRows}`;
  return `${deviceName}, ${library}, ${engine}, ${precision}, ${network.slice(0, 16)}${rows}`;
}
