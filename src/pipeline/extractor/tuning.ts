/** What was measured of a network on a GPU: the next run on the same GPU need not measure again. */
import type { ChosenBatch } from '../../engine/choose-batch.ts';
import type { EngineInfo, Precision } from '../../engine/engine.ts';
import { addNote, readNotes } from '../../runtime/cache-dir.ts';

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

export interface Tuning {
  /** ISO 8601, of what was measured last. */
  readonly at: string;
  readonly batch?: ChosenBatch;
  readonly engines?: EnginesTrial;
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

function nameOf({ info, precision, network, shardRows }: TuningKey): string | undefined {
  const { deviceName, library, engine } = info;
  if (deviceName === undefined) return undefined;
  const rows = shardRows === undefined ? '' : `, shards of ${shardRows}`;
  return `${deviceName}, ${library}, ${engine}, ${precision}, ${network.slice(0, 16)}${rows}`;
}
