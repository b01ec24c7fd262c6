import type { RunSummary } from '../../events.ts';
import { findModelFolder } from '../../model/find-model-folder.ts';
import { readModelJson } from '../../model/read-model-folder.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';
import type { Device } from '../../runtime/device.ts';
import { recordRate } from './recorded-rates.ts';

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
