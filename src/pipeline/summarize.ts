import type { QualitySummary, RunSummary, UpdateReport } from '../events.ts';
import { expectIntactFiles } from '../run/intact-files.ts';
import { type RunJson, readOwnRun } from '../run/run-json.ts';
import { isS3Url } from '../s3/s3-address.ts';
import type { OutputStore } from '../storage/output-store.ts';

interface ReducerJson {
  readonly outputs: readonly {
    readonly layer: string;
    readonly explainedVarianceRatio: readonly number[];
  }[];
}

/** The summary of a run, from its run.json. */
export function summarize(
  run: RunJson,
  out: string,
  wasComplete: boolean,
  computed: number,
  update?: UpdateReport,
): RunSummary {
  const stages = run.stagesMs as Record<string, number>;
  const reducer = run.reducer as ReducerJson | undefined;
  return {
    out,
    ...run.counts,
    files: run.files.map(({ name, bytes }) => ({ name, bytes })),
    explainedVariance: Object.fromEntries(
      (reducer?.outputs ?? []).map(({ layer, explainedVarianceRatio: ratio }) => [
        `${ratio.length} components of ${layer}`,
        ratio.reduce((sum, share) => sum + share, 0),
      ]),
    ),
    ...(run.findings !== undefined && {
      findings: (run.findings as { readonly counts: NonNullable<RunSummary['findings']> }).counts,
    }),
    ...(run.quality !== undefined && { quality: summarizeQuality(run.quality) }),
    timing: {
      listMs: stages.list,
      extractMs: stages.extract,
      reduceMs: stages.reduce,
      exportMs: stages.export,
      reportMs: stages.report ?? 0,
      totalMs: stages.total,
      readMs: stages.workersRead,
      decodeMs: stages.workersDecode,
      resizeMs: stages.workersResize,
      engineStartMs: stages.engineStart,
      engineWarmUpMs: stages.engineWarmUp ?? 0,
      engineBusyMs: stages.engineBusy,
      engineImagesPerSecond: stages.engineImagesPerSecond,
      pipelineImagesPerSecond: stages.pipelineImagesPerSecond,
    },
    computed,
    wasComplete,
    ...(Array.isArray(run.jobs) && { jobs: run.jobs.length }),
    ...(run.job !== undefined && { job: { shard: run.job.shard, images: run.job.images } }),
    ...(update !== undefined && { update }),
  };
}

/** What a summary reads of `quality` in run.json. */
type QualityJson =
  | { readonly none: string }
  | {
      readonly test?: string;
      readonly figures: readonly Omit<
        Extract<QualitySummary, { layer: string }>,
        'isClear' | 'test'
      >[];
      readonly headline: number;
      readonly best?: { readonly isClear: boolean };
    };

/** @param json `quality` of run.json */
export function summarizeQuality(json: unknown): QualitySummary {
  const quality = json as QualityJson;
  if ('none' in quality) return quality;
  const { layer, vectors, method, neighbours, accuracy, tested, withoutCopies } =
    quality.figures[quality.headline];
  return {
    ...{ layer, vectors, method, neighbours, accuracy, tested, withoutCopies },
    ...{ test: quality.test, isClear: quality.best?.isClear },
  };
}

/**
 * The summary of a run that had finished before.
 * @param update set where an update was asked for and found nothing to do
 * @throws RunError when its output is missing, or a file of it has changed
 */
export async function readSummary(output: OutputStore, update?: UpdateReport): Promise<RunSummary> {
  const run = await readOwnRun(output);
  await expectIntactFiles(output, run.files, { isLocal: !isS3Url(output.target) });
  return summarize(run, output.target, true, 0, update);
}
