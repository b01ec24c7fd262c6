/** THE LOOP: source -> manifest -> decode -> engine -> shards -> reducers -> table. */
import type { RunEvent, RunSummary } from './events.ts';
import { featureColumns, selectColumns } from './export/column-names.ts';
import { type OpenOutputOptions, openOutput, openOutputForReading } from './export/open-output.ts';
import { DecodePool } from './image/decode-pool.ts';
import type { ExtractOptions } from './options.ts';
import { announce } from './pipeline/announce.ts';
import { decodeOptions, provenance, runFacts, runIdentity } from './pipeline/describe-run.ts';
import { extractShards } from './pipeline/extract-shards.ts';
import type { Extractor } from './pipeline/extractor.ts';
import { findCrashers } from './pipeline/find-crashers.ts';
import { freezeListing } from './pipeline/freeze-listing.ts';
import { loadExport } from './pipeline/load-export.ts';
import { openExtractor } from './pipeline/open-extractor.ts';
import { clearOutput, refuseForeignTable } from './pipeline/prepare-output.ts';
import { Progress } from './pipeline/progress.ts';
import { ReducerFitting } from './pipeline/reducer-fitting.ts';
import { openSavedReducers } from './pipeline/saved-reducers.ts';
import { type RunClock, StageClock } from './pipeline/stage-clock.ts';
import { readSummary, summarize } from './pipeline/summarize.ts';
import { workFolder } from './pipeline/work-folder.ts';
import { writeReducers } from './pipeline/write-reducers.ts';
import { loadReport } from './report/load-report.ts';
import type { Manifest } from './run/manifest.ts';
import { planShards, SHARD_ROWS } from './run/plan-shards.ts';
import { type Rejection, writeRejections } from './run/rejections.ts';
import { buildRunJson, publishRun } from './run/run-json.ts';
import { RunStore } from './run/run-store.ts';
import { s3OptionsOf } from './s3/s3-options.ts';
import { openSource } from './source/open-source.ts';

export interface ExtractHooks {
  /** Stops the run cleanly; what is committed can be gone on with. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/**
 * Turns images into a table of feature vectors.
 *
 * Every image found ends as exactly one row or one rejection. A run that stops, by a failure, a
 * signal or a kill, is gone on with by the same call and ends with the same bytes.
 * @throws Img2FeaturesError of the room that failed; Interrupted by `signal`.
 */
export async function extract(
  options: ExtractOptions,
  given: Partial<ExtractHooks> = {},
): Promise<RunSummary> {
  const { signal = new AbortController().signal, onEvent = () => {} } = given;
  const hooks: ExtractHooks = { signal, onEvent };
  const startedAt = new Date();
  const clock: RunClock = new StageClock();
  const closing: (() => Promise<void>)[] = [];
  try {
    // What to read, and the network to read it with, which starts while the names are listed.
    const s3 = s3OptionsOf(options);
    const source = openSource(options.input, { originForm: options.origin, s3 });
    closing.push(async () => source.close?.());
    const opening = openExtractor(options, hooks);
    const opened = opening.catch(() => undefined); // heard below; this one only closes
    closing.push(async () => (await opened)?.close());
    const manifest = await clock.time('list', () => freezeListing(source, options.limit, signal));
    announce(manifest, onEvent);
    const extractor = await opening;
    const lengths = extractor.outputs.map(({ length }) => length);
    const columns = selectColumns(
      featureColumns(options.mode, extractor.outputs, options.k),
      options.columns?.split(','),
    );

    // Where the run stands: fresh, to go on with, or finished before.
    const output = await openOutput(options.out, { s3, signal, onEvent });
    closing.push(async () => output.close?.());
    const saved = await openSaved(options, extractor, { s3, signal, onEvent });
    const identity = { ...runIdentity(options, extractor), reducer: saved?.sha256 };
    const workDir = workFolder(options, onEvent);
    if (!options.overwrite && !(await RunStore.isIn(workDir))) await refuseForeignTable(output);
    const store = await RunStore.open(workDir, {
      identity,
      manifest,
      lengths,
      plan: planShards({
        count: manifest.count,
        rowBytes: 4 * lengths.reduce((sum, length) => sum + length, 0),
        maxShardRows: options.mode === 'pixels' ? SHARD_ROWS.pixels : SHARD_ROWS.network,
      }),
      overwrite: options.overwrite,
    });
    closing.push(() => store.close());
    for (const message of store.damaged) onEvent({ event: 'warning', message });
    if (store.state === 'finished') {
      const summary = await readSummary(output);
      onEvent({ event: 'finished', summary });
      return summary;
    }
    await clearOutput(output);

    // Features, shard by shard, and the sums that the reducers need.
    const done = countDone(manifest, store, onEvent);
    const progress = new Progress({ ...done, maxBad: options.maxBad, onEvent });
    const pixelOptions = decodeOptions(options, extractor.inputSize);
    const guard = { imageTimeoutMs: options.imageTimeout * 1000, journalDir: workDir };
    const setAside = await findCrashers(workDir, {
      source,
      manifest,
      store,
      options: pixelOptions,
      imageTimeoutMs: guard.imageTimeoutMs,
      signal,
      onEvent,
    });
    const pool = new DecodePool(pixelOptions, options.workers, { ...guard, setAside });
    closing.push(() => pool.close());
    const fitting = saved?.fitting ?? new ReducerFitting(store, extractor.outputs, options, signal);
    onEvent({ event: 'stage', stage: 'extract' });
    const context = {
      source,
      maxPixels: pixelOptions.maxPixels,
      manifest,
      store,
      pool,
      extractor,
      fitting,
      progress,
      clock,
      signal,
      onEvent,
    };
    const extracting = clock.time('extract', () => extractShards(context));
    const loading = loadExport(options.format);
    loading.catch(() => {}); // heard when it is used
    await extracting;

    // Scaler and PCA, then the table.
    if (saved === undefined) onEvent({ event: 'stage', stage: 'reduce' });
    const reducers = await clock.time('reduce', () => fitting.finish());
    onEvent({ event: 'stage', stage: 'export' });
    const rejections = [...allRejections(manifest, store)];
    const files = await clock.time('export', async () => [
      ...(await (
        await loading
      )({
        manifest,
        store,
        output,
        columns,
        formats: options.format,
        reducers,
        metadata: provenance(options, extractor),
        signal,
      })),
      ...(await writeReducers(output, reducers, extractor.outputs)),
      await writeRejections(output, rejections),
    ]);

    // The counts must add up; only then is the run called complete.
    const facts = { options, extractor, identity, reducers, clock, startedAt };
    const end = { ...facts, manifest, store, rejections, files, newRows: progress.newRows };
    const report = await clock.time('report', async () =>
      (await loadReport(options))({ ...end, source, output, signal, onEvent }),
    );
    const run = buildRunJson(await runFacts({ ...end, ...report }));
    await publishRun(output, run);
    await store.finish();
    const summary = summarize(run, output.target, false);
    onEvent({ event: 'finished', summary });
    return summary;
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** The reducers of the run that `--with` names, or undefined where they are to be fitted. */
async function openSaved(options: ExtractOptions, extractor: Extractor, store: OpenOutputOptions) {
  if (options.with === undefined) return undefined;
  return openSavedReducers(await openOutputForReading(options.with, store), options, extractor);
}

/** What earlier attempts left: images with a row or a rejection in a committed shard. */
function countDone(manifest: Manifest, store: RunStore, onEvent: ExtractHooks['onEvent']) {
  let done = 0;
  let rejected = manifest.rejections.length;
  for (const { id, start, end } of store.plan.shards) {
    if (!store.isCommitted(id)) continue;
    done += end - start;
    rejected += store.shardRecord(id).rejections.length;
  }
  if (store.state === 'resumed') {
    onEvent({ event: 'resumed', images: done, total: manifest.count });
  }
  return { total: manifest.count, done, rejected };
}

function* allRejections(manifest: Manifest, store: RunStore): Generator<Rejection> {
  yield* manifest.rejections;
  for (const { id } of store.plan.shards) {
    for (const { index, reason, message } of store.shardRecord(id).rejections) {
      yield { origin: manifest.entry(index).origin, reason, message };
    }
  }
}
