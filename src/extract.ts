/** THE LOOP: source -> manifest -> decode -> engine -> shards -> reducers -> table. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Closers } from './closers.ts';
import type { RunEvent, RunSummary } from './events.ts';
import { featureColumns, selectColumns } from './export/column-names.ts';
import { DecodePool } from './image/pool/decode-pool.ts';
import { ReadyThreads } from './image/pool/ready-threads.ts';
import type { ExtractOptions } from './options/extract-options.ts';
import {
  decodeOptions,
  expectForeseen,
  foreseeIdentity,
  provenance,
  recordedBatchOf,
  runFacts,
  runIdentity,
} from './pipeline/describe-run.ts';
import type { Extractor, ExtractorPlan } from './pipeline/extractor/extractor.ts';
import { planExtractor } from './pipeline/extractor/open-extractor.ts';
import { listImages } from './pipeline/list-images.ts';
import { loadExport } from './pipeline/load-export.ts';
import { type OpenedRun, openRun } from './pipeline/open-run.ts';
import { refuseOutputInInput } from './pipeline/prepare-output.ts';
import { ReducerFitting } from './pipeline/reducer-fitting.ts';
import { openSavedReducers } from './pipeline/saved-reducers.ts';
import { extractShards } from './pipeline/stream/extract-shards.ts';
import { findCrashers } from './pipeline/stream/find-crashers.ts';
import { Progress } from './pipeline/stream/progress.ts';
import { type RunClock, StageClock } from './pipeline/stream/stage-clock.ts';
import { summarize } from './pipeline/summarize.ts';
import { workFolder } from './pipeline/work-folder.ts';
import { writeReducers } from './pipeline/write-reducers.ts';
import { loadReport } from './report/load-report.ts';
import type { Manifest } from './run/manifest.ts';
import { type Rejection, writeRejections } from './run/rejections.ts';
import { isFinished, readRunIdentity, refuseOtherOptions } from './run/run-identity.ts';
import { buildRunJson, publishRun } from './run/run-json.ts';
import type { RunStore } from './run/run-store.ts';
import { s3OptionsOf } from './s3/s3-options.ts';
import { openSource } from './source/open-source.ts';
import { openOutput, openOutputForReading } from './storage/open-output.ts';
import type { OpenOutputOptions } from './storage/output-store.ts';

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
  const closers = new Closers();
  const imageTimeoutMs = options.imageTimeout * 1000;
  let begunStore: RunStore | undefined;
  try {
    // What can be told at once: the input, the model, its layers and device, the columns, the output.
    const ready = new ReadyThreads(options.workers, imageTimeoutMs);
    closers.add(() => ready.close());
    const s3 = s3OptionsOf(options);
    const source = openSource(options.input, { originForm: options.origin, s3 });
    closers.add(() => source.close?.());
    const plan = await planExtractor(options, hooks);
    const outputs = await plan.outputs();
    const lengths = outputs.map(({ length }) => length);
    const columns = selectColumns(
      featureColumns(options.mode, outputs, options.k),
      options.columns?.split(','),
    );
    const dir = workFolder(options);
    await refuseOutputInInput(options, dir);
    const output = await openOutput(options.out, { s3, signal, onEvent, isHeld: options.update });
    closers.add(() => output.close?.());
    const features = { model: plan.model, outputs };
    const saved = await openSaved(options, features, { s3, signal, onEvent });

    // The network starts while the names are listed; where a run has finished it may not be needed at all.
    const begun = options.overwrite ? undefined : await readRunIdentity(dir);
    const foreseen = begun && foreseeIdentity(options, plan, outputs, begun.identity);
    if (foreseen) refuseOtherOptions(dir, begun, { ...foreseen, reducer: saved?.sha256 });
    const mayBeDone = foreseen !== undefined && isFinished(dir);
    const failed = new AbortController();
    const start = () => {
      const recordedBatch = () => begun && recordedBatchOf(begun.identity);
      const opening = plan.open({ ...hooks, recordedBatch });
      opening.catch((error) => failed.abort(error)); // there is nothing to list for
      closers.addOpening(opening);
      return opening;
    };
    const opening = mayBeDone ? undefined : start();
    const listing = AbortSignal.any([signal, failed.signal]);
    onEvent({ event: 'stage', stage: 'list', detail: source.input });
    const { limit } = options;
    const listed = await clock.time('list', () =>
      listImages(source, { limit, signal: listing, onEvent }),
    );

    // Where the run stands: fresh, to be resumed, finished before, or to be brought up to date.
    const started = opening && (await tellWait(opening, plan, onEvent));
    const identity = {
      ...(started === undefined ? foreseen : runIdentity(options, started)),
      reducer: saved?.sha256,
    };
    const standing = { options, source, listed, output, columns, identity, lengths };
    const run = await openRun({ ...standing, signal, onEvent });
    closers.add(() => run.close());
    if (run.summary !== undefined) {
      onEvent({ event: 'finished', summary: run.summary });
      return run.summary;
    }
    const extractor = started ?? (await tellWait(start(), plan, onEvent));
    expectForeseen(identity, { ...runIdentity(options, extractor), reducer: saved?.sha256 });
    const { store, manifest, update } = run;
    begunStore = store;

    // Features, shard by shard, and the sums that the reducers need.
    const done = countDone(run, onEvent);
    const progress = new Progress({ ...done, maxBad: options.maxBad, onEvent });
    const pixelOptions = decodeOptions(options, extractor.inputSize);
    const setAside = await findCrashers(run.dir, {
      source,
      manifest,
      store,
      options: pixelOptions,
      imageTimeoutMs,
      signal,
      onEvent,
    });
    const guard = { imageTimeoutMs, journalDir: run.dir, setAside, ready };
    const pool = new DecodePool(pixelOptions, options.workers, guard);
    closers.add(() => pool.close());
    const kept = saved?.fitting ?? (await update?.keptReducers(extractor.outputs));
    const fitting = kept ?? new ReducerFitting(store, extractor.outputs, options, signal);
    onEvent({ event: 'stage', stage: 'extract' });
    const context = {
      source,
      maxPixels: pixelOptions.maxPixels,
      manifest,
      store,
      reused: update?.reused,
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
    if (kept === undefined) onEvent({ event: 'stage', stage: 'reduce' });
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
        onEvent,
      })),
      ...(await writeReducers(output, reducers, extractor.outputs)),
      await writeRejections(output, rejections),
    ]);

    // The counts must add up; only then is the run called complete.
    const facts = { options, extractor, identity, reducers, clock, startedAt };
    const rows = { manifest, store, rejections, files, newRows: progress.newRows };
    const end = { ...facts, ...rows, update: update?.report };
    if (options.report) onEvent({ event: 'stage', stage: 'report' });
    const report = await clock.time('report', async () =>
      (await loadReport(options))({ ...end, source, output, signal, onEvent }),
    );
    const json = buildRunJson(await runFacts({ ...end, ...report }));
    await update?.makeWay(output, json.files);
    await publishRun(output, json);
    await (update ?? store).finish();
    const summary = summarize(json, output.target, false, progress.newRows, update?.report);
    onEvent({ event: 'finished', summary });
    return summary;
  } catch (error) {
    if (signal.aborted && begunStore !== undefined) tellStored(begunStore, onEvent);
    throw error;
  } finally {
    await closers.close();
  }
}

/** What an interrupted run has, as only whole shards are kept. */
function tellStored(store: RunStore, onEvent: ExtractHooks['onEvent']): void {
  const { count, shards } = store.plan;
  const stored = shards.filter(({ id }) => store.isCommitted(id));
  const images = stored.reduce((sum, { start, end }) => sum + end - start, 0);
  const message = `Stored: ${images} of ${count} images, in blocks of up to ${shards[0]?.end ?? 0}; the others are left to compute.`;
  onEvent({ event: 'note', message });
}

/** The reducers of the run that `--with` names, or undefined where they are to be fitted. */
async function openSaved(
  options: ExtractOptions,
  features: Pick<Extractor, 'model' | 'outputs'>,
  store: OpenOutputOptions,
) {
  if (options.with === undefined) return undefined;
  return openSavedReducers(await openOutputForReading(options.with, store), options, features);
}

/** The extractor, and what is waited for where it is not there at once. */
async function tellWait(
  opening: Promise<Extractor>,
  { choice, model }: ExtractorPlan,
  onEvent: ExtractHooks['onEvent'],
): Promise<Extractor> {
  const opened = await Promise.race([opening, nextTurn(undefined)]);
  if (opened !== undefined) return opened;
  onEvent({ event: 'stage', stage: 'engine', detail: `${choice?.device} (${model?.dir})` });
  return opening;
}

/** Images with a row or a rejection before the first is computed: by earlier attempts, or taken over by an update. */
function countDone(
  { manifest, store, update }: Exclude<OpenedRun, { summary: RunSummary }>,
  onEvent: ExtractHooks['onEvent'],
) {
  const waiting = update?.reused.countWaiting() ?? { images: 0, rejected: 0 };
  let done = waiting.images;
  let rejected = manifest.rejections.length + waiting.rejected;
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
