/** What a run would read, need and write, before it starts. Nothing is written to --out. */

import type { UpdateCounts } from '../events.ts';
import type { FeatureColumn, FeatureOutput } from '../export/column-names.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { type JobShard, jobName } from '../options/option-values.ts';
import { columnsOf } from '../pipeline/describe-run.ts';
import { decodeOptions } from '../pipeline/extractor/extractor.ts';
import { openPixelsExtractor } from '../pipeline/extractor/open-extractor.ts';
import { listImages, sourceOptions } from '../pipeline/list-images.ts';
import { planOf } from '../pipeline/open-run.ts';
import { previewUpdate, wantedImages } from '../pipeline/update/compare-manifests.ts';
import { isInStore } from '../place.ts';
import { type Manifest, withoutRejections } from '../run/manifest.ts';
import { imagesIn, planOfJob } from '../run/plan-shards.ts';
import { freeSpace } from '../runtime/free-space.ts';
import { openSource } from '../source/open-source.ts';
import { formatUpdate } from '../terminal/summary.ts';
import { formatCount } from '../terminal/units.ts';
import { countInput, type InputCounts } from './count-input.ts';
import type { NetworkDescription } from './describe-network.ts';
import {
  type ExpectedOutput,
  type ExpectedTime,
  expectedOutput,
  expectedStateBytes,
  expectedTime,
  type NetworkRate,
} from './expected.ts';
import { type ImageSample, sampleImages } from './sample-images.ts';

/** JSON-able: what `--dry-run --log json` prints. */
export interface DryRun extends InputCounts {
  readonly input: string;
  readonly out: string;
  readonly mode: ExtractOptions['mode'];
  readonly sample: ImageSample;
  /** One of each image, or of each of its views. */
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly length: number }[];
  /** At most; by format. */
  readonly output: readonly ExpectedOutput[];
  /** The run's own state beside the table, which resuming needs. */
  readonly stateBytes: number;
  /** On the disk of --out; null for a store. */
  readonly freeBytes: number | null;
  /** null for pixels, and where the rate is not known. */
  readonly network: NetworkRate | null;
  /** null where the network's rate is not known, and where there is nothing to compute. */
  readonly time: ExpectedTime | null;
  /** With --update: how the input differs from the finished run's; null without, and where none has finished. */
  readonly update: UpdateCounts | null;
  readonly notes: readonly string[];
}

/** @throws SourceError, ModelError, OptionError: what would stop the run before its first image */
export async function runDryRun(options: ExtractOptions, signal: AbortSignal): Promise<DryRun> {
  const isOutInStore = isInStore(options.out, '--out');
  const source = openSource(options.input, sourceOptions(options));
  try {
    const network = await networkOf(options, signal);
    const { inputSize, outputs, model } = network ?? openPixelsExtractor();
    const { views } = options;
    const all = await listImages(source, { limit: options.limit, signal });
    const manifest = partOfJob(all, options, outputs);
    const columns = columnsOf(options, outputs, manifest);
    const counts = countInput(manifest);
    const sample = await sampleImages(
      source,
      manifest,
      {
        decode: decodeOptions(options, { inputSize, model }),
        workers: options.workers,
        imageTimeoutMs: options.imageTimeout * 1000,
      },
      signal,
    );
    const shape = {
      rows: views * counts.images,
      columns,
      nameBytes: views * counts.nameBytes,
      isPixels: options.mode === 'pixels' && options.normalize === 'none',
    };
    const update = options.update ? await previewUpdate(options, manifest) : undefined;
    const computed = update === undefined ? counts.images : wantedImages(update);
    const rate = network === undefined ? 'none' : network.rate;
    return {
      input: options.input,
      out: options.out,
      mode: options.mode,
      ...counts,
      sample,
      rows: shape.rows,
      columns: columns.map(({ name, length }: FeatureColumn) => ({ name, length })),
      // A job writes no table.
      output: options.shard ? [] : expectedOutput(options.format, shape),
      stateBytes: expectedStateBytes(shape),
      freeBytes: isOutInStore ? null : ((await freeSpace(options.out)).bytes ?? null),
      network: network?.rate ?? null,
      // With nothing to compute there is no time to show: a finished run is found complete, an empty input refused.
      time:
        computed === 0
          ? null
          : (expectedTime(computed, sample.imagesPerSecond, rate, views) ?? null),
      update: update ?? null,
      notes: [
        ...(options.shard ? [jobNote(options.shard, counts.images, all.count)] : []),
        ...(options.update ? [updateNote(update)] : []),
        ...(network?.note === undefined ? [] : [network.note]),
        ...(source.isInStore ? ['That time does not include fetching from the store.'] : []),
      ],
    };
  } finally {
    await source.close?.();
  }
}

/** The images of one of several jobs; what the listing rejected is counted by the first. */
function partOfJob(
  all: Manifest,
  options: ExtractOptions,
  outputs: readonly Pick<FeatureOutput, 'length'>[],
): Manifest {
  const { shard } = options;
  if (shard === undefined) return all;
  const lengths = outputs.map(({ length }) => length);
  const plan = planOfJob(planOf(options, all, lengths), shard);
  const first = plan.shards[0]?.start ?? 0;
  const count = imagesIn(plan);
  const entry = (index: number) => all.entry(first + index);
  let bytes = 0;
  for (let i = 0; i < count; i++) bytes += entry(i).size;
  const { rejections, skipped } = shard.index === 1 ? all : { rejections: [], skipped: {} };
  return { ...withoutRejections(all), rejections, skipped, count, bytes, entry };
}

function jobNote(shard: JobShard, images: number, all: number): string {
  const part = `${formatCount(images)} of ${formatCount(all)} images`;
  return `Job ${jobName(shard)}: ${part}. The table is written by merge; a job only stores its rows.`;
}

function updateNote(update: UpdateCounts | undefined): string {
  return update === undefined
    ? '--update: no run has finished in --out, so this would be a whole run.'
    : `--update: ${formatUpdate(update)}. Time and network are those of the ${wantedImages(update)} to compute.`;
}

async function networkOf(
  options: ExtractOptions,
  signal: AbortSignal,
): Promise<NetworkDescription | undefined> {
  if (options.mode === 'pixels') return undefined;
  const { describeNetwork } = await import('./describe-network.ts');
  return describeNetwork(options, signal);
}
