import {
  columnTypes,
  type FeatureColumn,
  type FeatureOutput,
  featureColumns,
  type LabelColumns,
  outputLabels,
  selectColumns,
} from '../export/column-names.ts';
import { type ExtractOptions, makesSplit } from '../options/extract-options.ts';
import { libraryVersions, packageVersion } from '../package-version.ts';
import { fingerprint, type Json } from '../run/fingerprint.ts';
import { imagesIn } from '../run/plan-shards.ts';
import type { RunFacts, RunJson } from '../run/run-json.ts';
import type { RunStore } from '../run/run-store.ts';
import type { Extractor } from './extractor/extractor.ts';
import { networkHash } from './identify-run.ts';
import type { ComputedBy, Run, RunEnd } from './run.ts';

/** Provenance as text, for formats that can carry it; no times and no machine, so bytes repeat. */
export function provenance(run: Run): Record<string, string> {
  const { network: _, reducer: __, ...identity } = run.identity;
  const { jobs, extractor } = run;
  const model = jobs?.computing.model ?? (extractor.model && describeModelOrigin(extractor));
  return {
    'img2features.version': packageVersion(),
    'img2features.run': JSON.stringify(identity),
    ...(model !== undefined && {
      'img2features.model': JSON.stringify({ ...model, networkSha256: undefined }),
    }),
  };
}

/** What run.json says of a run that has just ended. */
export async function runFacts(end: RunEnd): Promise<RunFacts> {
  const { options, reducers, store, manifest } = end;
  return {
    command: options.with === undefined ? 'extract' : 'transform',
    version: packageVersion(),
    options: options as unknown as Record<string, Json>,
    fingerprint: fingerprint(end.identity),
    counts: {
      discovered: imagesIn(store.plan) + manifest.rejections.length,
      extracted: store.rows / store.plan.views,
      ...(store.plan.views > 1 && { rows: store.rows }),
      skipped: end.skipped,
    },
    rejections: end.rejections,
    stages: stageTimes(end),
    startedAt: end.startedAt,
    finishedAt: new Date(),
    ...describeComputing(end),
    jobs: end.jobs?.list,
    ...(reducers.length > 0 && { reducer: describeReducers(end) }),
    ...(end.update !== undefined && { update: { ...end.update.report } }),
    splits: end.splitCounts,
    keptColumns: manifest.kept.length > 0 ? manifest.kept : undefined,
    findings: end.findings,
    quality: end.quality,
    libraries: libraryVersions(),
    files: end.files,
  };
}

/** What computed the features; nothing for pixels. Of a merged run, which has no engine, what its jobs say. */
export function describeComputing(run: Pick<Run, 'jobs' | 'extractor' | 'store'>): ComputedBy {
  const { engine, model, outputs } = run.extractor;
  if (run.jobs !== undefined) return run.jobs.computing;
  if (engine === undefined) return {};
  return {
    device: {
      device: engine.device,
      reason: engine.deviceReason,
      name: engine.deviceName ?? null,
      library: engine.library,
      engine: engine.engine,
      engineReason: engine.engineReason ?? null,
      conv: engine.conv,
      convReason: engine.convReason ?? null,
      ...describeEngines(run),
    },
    model: {
      ...describeModelOrigin(run.extractor),
      networkSha256: networkHash(model!, outputs),
    },
  };
}

/** What of it says how fast it is. */
export function networkOf({ device, model }: ComputedBy) {
  return {
    device: device?.device as string | undefined,
    architecture: model?.architecture as string | null | undefined,
  };
}

/** The engines of this attempt and their batches. */
function describeEngines({
  extractor,
  store,
}: Pick<Run, 'extractor' | 'store'>): Record<string, Json> {
  const report = extractor.engineReport?.();
  if (report === undefined) return {};
  return {
    engines: report.engines.map((member) => ({ ...member })),
    batch: extractor.batchSize,
    batchFrom: report.batchFrom,
    batchTrials: (report.trial?.trials ?? []).map((trial) => ({ ...trial })),
    outOfMemory: describeHalved(store),
  };
}

/** Shards that lack of memory forced into smaller batches; null where there are none. */
export function describeHalved(store: RunStore): Json {
  const halved = store.plan.shards.flatMap(({ id }) => {
    const { halvedTo } = store.shardRecord(id);
    return halvedTo === undefined ? [] : [{ shard: id, halvedTo }];
  });
  if (halved.length === 0) return null;
  return {
    effect:
      'Rows of these shards ran in parts of at most halvedTo images and may differ in the last bits from those of whole batches.',
    shards: halved,
  };
}

function describeModelOrigin({ model, outputs }: Extractor): Record<string, Json> {
  const { architecture, preprocessing, trained, source, weightsSha256 } = model!.metadata;
  return {
    architecture,
    preprocessing,
    trained,
    source: { ...source },
    weightsSha256,
    layers: outputs.map(({ layer, pool, length }) => ({ layer, pool, length })),
  };
}

function describeReducers({ options, extractor, reducers, files }: RunEnd): Json {
  const labels = outputLabels(extractor.outputs);
  return {
    k: options.k,
    standardize: options.standardize,
    sha256: files.find(({ name }) => name === 'reducer.npz')?.sha256,
    outputs: reducers.map((reducer, i) => ({
      layer: labels[i],
      explainedVariance: [...reducer.explainedVariance],
      explainedVarianceRatio: [...reducer.explainedVarianceRatio],
    })),
  };
}

function stageTimes({ clock, extractor, progress, store }: RunEnd): Record<string, number> {
  const { newRows } = progress;
  const engines = extractor.engineReport?.();
  // Where rows existed before, the time to fit and to write is not that of the new ones.
  const ofAll = newRows === store.rows ? clock.ms('reduce') + clock.ms('export') : 0;
  const working = clock.ms('extract') + ofAll;
  const times = {
    list: clock.ms('list'),
    extract: clock.ms('extract'),
    reduce: clock.ms('reduce'),
    export: clock.ms('export'),
    report: clock.ms('report'),
    total: clock.totalMs(),
    workersRead: clock.ms('read'),
    workersDecode: clock.ms('decode'),
    workersResize: clock.ms('resize'),
    engineStart: extractor.engine?.startupMs ?? 0,
    engineWarmUp: engines?.warmUpMs ?? 0,
    engineBusy: engines?.busyMs ?? 0,
    engineImagesPerSecond: engines?.imagesPerSecond ?? 0,
    pipelineImagesPerSecond: working > 0 ? (1000 * newRows) / store.plan.views / working : 0,
  };
  return Object.fromEntries(
    Object.entries(times).map(([name, value]) => [name, Math.round(value * 1000) / 1000]),
  );
}

/** The layer or "pixels" that findings and report use: the first of a run. */
export function firstOutput(run: RunJson): FeatureOutput {
  return outputsOf(run)[0];
}

/** A name for each layer of a run. */
export function outputNames(run: RunJson): string[] {
  return outputLabels(outputsOf(run));
}

/** The columns of a finished run's table, as its run.json says. */
export function tableColumns(run: RunJson): FeatureColumn[] {
  return columnsOf(run.options as ExtractOptions, outputsOf(run), {
    hasSplit: run.splits !== undefined,
    kept: (run.keptColumns as readonly string[] | undefined) ?? [],
  });
}

/** The columns of the table that options ask for. @param labels of the list of images */
export function columnsOf(
  options: Pick<
    ExtractOptions,
    'mode' | 'k' | 'columns' | 'split' | 'views' | 'vectorType' | 'reduxType'
  >,
  outputs: readonly FeatureOutput[],
  { hasSplit, kept }: LabelColumns,
): FeatureColumn[] {
  const labels = { hasSplit: hasSplit || makesSplit(options), views: options.views, kept };
  const all = featureColumns(options.mode, outputs, options.k, labels, columnTypes(options));
  return selectColumns(all, options.columns?.split(','));
}

/** What a run computed of each image: the layers, or the pixels. */
export function outputsOf(run: RunJson): readonly FeatureOutput[] {
  const model = run.model as { readonly layers: readonly FeatureOutput[] } | undefined;
  return model?.layers ?? [{ layer: 'pixels', pool: 'none', length: 300 }];
}
