/** What networks made on this machine, so that the next estimate need not measure. */
import { availableParallelism } from 'node:os';
import type { Precision } from '../../engine/engine.ts';
import type { RunSummary } from '../../events.ts';
import { findModelFolder } from '../../model/find-model-folder.ts';
import { readModelJson } from '../../model/read-model-folder.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';
import { addNote, readNotes } from '../../runtime/cache-dir.ts';
import type { Device } from '../../runtime/choose-device.ts';

export interface RecordedRate {
  /** Of the network alone. */
  readonly imagesPerSecond: number;
  readonly by: 'run' | 'doctor' | 'dry-run';
  /** ISO 8601. */
  readonly at: string;
}

export interface RateKey {
  readonly weightsSha256: string;
  readonly device: Device;
  readonly precision: Precision;
  /** Layers asked for, as --layer names them; undefined: the last. */
  readonly layers: string | undefined;
}

const NOTES = 'rates';

/** The rate of these layers, else of the whole network, which takes at least as long. */
export async function readRate(key: RateKey): Promise<RecordedRate | undefined> {
  const rates = await readNotes<RecordedRate>(NOTES);
  const found = [rates[nameOf(key)], rates[nameOf({ ...key, layers: undefined })]];
  return found.find((rate) => rate !== undefined && !isStale(rate));
}

/** A batch or two, measured while the machine was perhaps busy, are not kept for long. */
function isStale({ by, at }: RecordedRate): boolean {
  return by === 'dry-run' && !(Date.now() - Date.parse(at) < 3_600_000);
}

export async function recordRate(key: RateKey, rate: RecordedRate): Promise<void> {
  if (rate.imagesPerSecond > 0) await addNote(NOTES, nameOf(key), rate);
}

function nameOf({ weightsSha256, device, precision, layers }: RateKey): string {
  const cores = availableParallelism();
  return `${weightsSha256.slice(0, 16)} ${device} ${precision} ${cores} cores ${layers ?? 'last'}`;
}

/** Fewer images are mostly warm-up. */
const LEAST_IMAGES = 48;

/** Keeps what the network made in a run, for the next `--dry-run`. */
export async function rememberRate(
  options: ExtractOptions,
  { timing, computed }: RunSummary,
  device: Device,
): Promise<void> {
  const { gpus, engine, conv } = options;
  // Rates are kept of what a run takes by itself; what several GPUs make together is none of one.
  if (gpus !== undefined || engine !== 'auto' || conv !== 'auto') return;
  if (computed < LEAST_IMAGES) return;
  const { metadata } = await readModelJson(findModelFolder(options.mode, options.model));
  if (metadata === undefined) return;
  const { weightsSha256 } = metadata;
  await recordRate(
    { weightsSha256, device, precision: options.precision, layers: options.layer },
    {
      imagesPerSecond: timing.engineImagesPerSecond,
      by: 'run',
      at: new Date().toISOString(),
    },
  );
}
