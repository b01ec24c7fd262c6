/** THE LOOP: source -> manifest -> decode -> engine -> shards -> reducers -> table. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Closers } from './closers.ts';
import { TooManyBadError } from './errors.ts';
import type { RunEvent, RunSummary } from './events.ts';
import type { LabelColumns } from './export/column-names.ts';
import { DecodePool } from './image/pool/decode-pool.ts';
import { ReadyThreads } from './image/pool/decode-thread.ts';
import type { ExtractOptions } from './options/extract-options.ts';
import { jobName } from './options/option-values.ts';
import { columnsOf } from './pipeline/describe-run.ts';
import {
  decodeOptions,
  type Extractor,
  type ExtractorPlan,
} from './pipeline/extractor/extractor.ts';
import { planExtractor } from './pipeline/extractor/open-extractor.ts';
import {
  expectForeseen,
  foreseeIdentity,
  recordedBatchOf,
  recordedConvOf,
  runIdentity,
} from './pipeline/identify-run.ts';
import { listImages, sourceOptions } from './pipeline/list-images.ts';
import { openRun } from './pipeline/open-run.ts';
import { refuseOutputInInput } from './pipeline/prepare-output.ts';
import { NOT_FITTED, openSavedReducers, ReducerFitting } from './pipeline/reducer-fitting.ts';
import type { Run } from './pipeline/run.ts';
import { extractShards } from './pipeline/stream/extract-shards.ts';
import { findCrashers } from './pipeline/stream/find-crashers.ts';
import { openProgress, type RunClock, StageClock } from './pipeline/stream/progress.ts';
import { summarize } from './pipeline/summarize.ts';
import { workFolder } from './pipeline/work-folder.ts';
import { loadExport, publish, reportEnd } from './publish.ts';
import type { RunIdentity } from './run/fingerprint.ts';
import { type Manifest, withoutRejections } from './run/manifest.ts';
import { imagesIn } from './run/plan-shards.ts';
import { RejectionsSoFar, removeRejectionsSoFar, writeRejectionsSoFar } from './run/rejections.ts';
import { isFinished, readRunIdentity, refuseOtherOptions } from './run/run-identity.ts';
import { s3OptionsOf } from './s3/s3-options.ts';
import { openSource } from './source/open-source.ts';
import { openOutput, openOutputForReading } from './storage/open-output.ts';
import { storageError } from './storage/storage-error.ts';

export interface ExtractHooks {
  /** Stops the run cleanly; what is committed can be resumed. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/**
 * Turns images into a table of feature vectors.
 *
 * Every image found becomes exactly one row or one rejection. A run that stops, by a failure, a
 * signal or a kill, is resumed by the same call and ends with the same bytes.
 * @throws Img2FeaturesError of the room that failed; Interrupted by `signal`.
 */
export async function extract(
  options: ExtractOptions,
  given: Partial<ExtractHooks> = {},
): Promise<RunSummary> {
  const { signal = new AbortController().signal } = given;
  const soFar = new RejectionsSoFar(options.maxBad);
  const onEvent = (event: RunEvent) => {
    soFar.add(event);
    given.onEvent?.(event);
  };
  const closers = new Closers();
  let run: Run | undefined;
  try {
    const opened = await open(options, { signal, onEvent, soFar }, closers);
    if ('wasComplete' in opened) return reportEnd(opened, onEvent);
    run = opened;
    if (options.shard !== undefined) return reportEnd(await endJob(run), onEvent);
    const { reducers, exportTable } = await stream(run);
    return reportEnd(await publish(run, reducers, exportTable), onEvent);
  } catch (error) {
    if (signal.aborted && run !== undefined) reportStored(run);
    if (error instanceof TooManyBadError) throw withReasons(error, options, soFar);
    throw error;
  } finally {
    await closers.close();
  }
}

/** Checks what can be checked, lists the images and finds the state of the run. @returns the summary of one that is complete */
async function open(
  options: ExtractOptions,
  hooks: ExtractHooks & { readonly soFar: RejectionsSoFar },
  closers: Closers,
): Promise<Run | RunSummary> {
  const { signal, onEvent } = hooks;
  const startedAt = new Date();
  const clock: RunClock = new StageClock();
  const threads = new ReadyThreads(options.workers, options.imageTimeout * 1000);
  closers.add(() => threads.close());
  const { dir, plan, outputs, saved, columnsFor, ...between } = await openEnds(
    options,
    hooks,
    closers,
  );

  // The network starts while the names are listed; where a run has finished it may not be needed at all.
  const begun = options.overwrite ? undefined : await readRunIdentity(dir);
  const identified = (identity: RunIdentity) => ({ ...identity, reducer: saved?.sha256 });
  const foreseen = begun && foreseeIdentity(options, plan, outputs, begun.identity);
  if (foreseen) refuseOtherOptions(dir, begun, identified(foreseen));
  const failed = new AbortController();
  const start = () => {
    const recordedBatch = () => begun && recordedBatchOf(begun.identity);
    const recordedConv = begun && recordedConvOf(begun.identity);
    const count = () => listingImages.then((listed) => listed.count);
    const opening = plan.open({
      ...{ ...hooks, recordedBatch, recordedConv, count },
      views: options.views,
    });
    opening.catch((error) => failed.abort(error)); // without the network, listing has no use
    closers.addOpening(opening);
    return opening;
  };
  let listingImages: Promise<Manifest>;
  const opening = foreseen !== undefined && isFinished(dir) ? undefined : start();
  onEvent({ event: 'stage', stage: 'list', detail: between.source.input });
  const listing = {
    limit: options.limit,
    signal: AbortSignal.any([signal, failed.signal]),
    onEvent,
  };
  listingImages = clock.time('list', () => listImages(between.source, listing));
  const all = await listingImages;
  const listed = (options.shard?.index ?? 1) > 1 ? withoutRejections(all) : all;

  // The state of the run: fresh, to be resumed, finished before, or to be brought up to date.
  const early = opening && (await reportWait(opening, plan, onEvent));
  const identity = identified(early === undefined ? foreseen! : runIdentity(options, early));
  const lengths = outputs.map(({ length }) => length);
  const ends = { options, ...between, identity, signal, onEvent };
  const standing = await openRun({ ...ends, columns: columnsFor(listed), listed, lengths });
  closers.add(() => standing.close());
  removeRejectionsSoFar(dir);
  if (standing.summary !== undefined) return standing.summary;
  hooks.soFar.addStored(standing.manifest, standing.store);
  const extractor = early ?? (await reportWait(start(), plan, onEvent));
  expectForeseen(identity, identified(runIdentity(options, extractor)));

  const kept = saved?.fitting ?? (await standing.update?.keptReducers(outputs));
  const ofJob = options.shard && NOT_FITTED;
  const fitting = ofJob ?? kept ?? new ReducerFitting(standing.store, outputs, options, signal);
  const progress = openProgress(standing, { maxBad: options.maxBad, onEvent });
  const { skipped } = listed;
  const columns = columnsFor(standing.manifest);
  const shared = {
    ...ends,
    ...standing,
    columns,
    skipped,
    extractor,
    threads,
    closers,
    clock,
    startedAt,
  };
  return { ...shared, fitting, areReducersKept: kept !== undefined, progress };
}

/** What a run reads, computes with and writes to, opened as far as it can be before the images are listed. */
async function openEnds(options: ExtractOptions, hooks: ExtractHooks, closers: Closers) {
  const store = { s3: s3OptionsOf(options), ...hooks };
  const source = openSource(options.input, sourceOptions(options));
  closers.add(() => source.close?.());
  const plan = await planExtractor(options, hooks);
  const outputs = await plan.outputs();
  const columnsFor = (labels: LabelColumns) => columnsOf(options, outputs, labels);
  // What a list brings is known once it was read; other names are refused before that.
  if (options.keepColumns !== 'all')
    columnsFor({ hasSplit: true, kept: options.keepColumns ?? [] });
  const dir = workFolder(options);
  await refuseOutputInInput(options, dir);
  const output = await openOutput(options.out, { ...store, isHeld: options.update });
  closers.add(() => output.close?.());
  const features = { model: plan.model, outputs };
  const saved =
    options.with === undefined
      ? undefined
      : await openSavedReducers(await openOutputForReading(options.with, store), options, features);
  return { source, plan, outputs, columnsFor, dir, output, saved };
}

/** Features, shard by shard, and the sums that the reducers need; then the reducers. */
async function stream(run: Run) {
  const { fitting, clock, onEvent } = run;
  let loading: ReturnType<typeof loadExport> | undefined;
  await computeShards(run, () => {
    // What writes the table takes 0.2 s to load: now that the threads have begun to decode, it costs no extra time.
    loading = loadExport(run);
    loading.catch(() => {}); // its error is thrown below
  });
  if (!run.areReducersKept) onEvent({ event: 'stage', stage: 'reduce' });
  const reducers = await clock.time('reduce', () => fitting.finish());
  return { reducers, exportTable: await loading! };
}

/** One of several jobs ends with its stored rows: the table is made of those of all. */
async function endJob(run: Run): Promise<RunSummary> {
  const { store, manifest, options, output, clock, progress, onEvent } = run;
  const [part, of] = [imagesIn(store.plan), `of ${manifest.count} images`];
  onEvent({ event: 'note', message: `Job ${jobName(options.shard!)}: ${part} ${of}.` });
  await computeShards(run);
  const { publishJob } = await import('./pipeline/jobs/publish-job.ts');
  const json = await clock.time('export', () => publishJob(run));
  return summarize(json, output.target, false, progress.newRows);
}

/** @param meanwhile called once the threads have begun to decode */
async function computeShards(run: Run, meanwhile = () => {}): Promise<void> {
  const { options, extractor, clock, closers, onEvent } = run;
  const pixels = decodeOptions(options, extractor);
  const pool = new DecodePool(pixels, options.workers, {
    imageTimeoutMs: options.imageTimeout * 1000,
    journalDir: run.dir,
    setAside: await findCrashers(run, pixels),
    ...(run.threads && { ready: run.threads }),
  });
  closers.add(() => pool.close());
  onEvent({ event: 'stage', stage: 'extract' });
  const extracting = clock.time('extract', () => extractShards(run, pool));
  meanwhile();
  await extracting;
  // Its process takes 0.2 s to end, and the closers wait for that.
  extractor.close().catch(() => {});
}

/** The same error, which says why the images are bad and in which file that stands. */
function withReasons(error: TooManyBadError, options: ExtractOptions, soFar: RejectionsSoFar) {
  const rejections = soFar.inOrder();
  const dir = workFolder(options);
  let where: string;
  try {
    where = `${writeRejectionsSoFar(dir, rejections)} says why`;
  } catch (cause) {
    // That too many images are bad is what the user must know first.
    where = `The reasons could not be kept (${storageError(cause, 'them', dir).message})`;
  }
  const fix = `${where}; repair the images or raise --max-bad. The same command resumes the run.`;
  return Object.assign(new TooManyBadError(error.message, { fix, cause: error }), { rejections });
}

/** What an interrupted run has stored: only whole shards are kept. */
function reportStored({ store, onEvent }: Run): void {
  const { shards } = store.plan;
  const stored = shards.filter(({ id }) => store.isCommitted(id));
  const images = stored.reduce((sum, { start, end }) => sum + end - start, 0);
  const message = `Stored: ${images} of ${imagesIn(store.plan)} images, in blocks of up to ${shards.length > 0 ? shards[0].end - shards[0].start : 0}; the others are left to compute.`;
  onEvent({ event: 'note', message });
}

/** The extractor; where it is not ready at once, an event says what the run waits for. */
async function reportWait(
  opening: Promise<Extractor>,
  { choice, model }: ExtractorPlan,
  onEvent: ExtractHooks['onEvent'],
): Promise<Extractor> {
  const opened = await Promise.race([opening, nextTurn(undefined)]);
  if (opened !== undefined) return opened;
  onEvent({ event: 'stage', stage: 'engine', detail: `${choice?.device} (${model?.dir})` });
  return opening;
}
