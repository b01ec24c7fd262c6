/** `merge`: the stored rows of all jobs (`--shard 1/16` …) into one run, which then ends as any run does. No engine is needed. */
import { availableParallelism } from 'node:os';
import { Closers } from './closers.ts';
import { RunError } from './errors.ts';
import type { RunSummary } from './events.ts';
import type { ExtractHooks } from './extract.ts';
import { mapOrdered } from './map-ordered.ts';
import type { ExtractOptions } from './options/extract-options.ts';
import { storeOptions } from './options/resolve-options.ts';
import { columnsOf, describeHalved, outputsOf } from './pipeline/describe-run.ts';
import type { Extractor } from './pipeline/extractor/extractor.ts';
import { adoptShard, type Job, listOf, readJobs } from './pipeline/jobs/read-jobs.ts';
import { openRun } from './pipeline/open-run.ts';
import { refuseOutputInInput } from './pipeline/prepare-output.ts';
import { fittedBefore, ReducerFitting, type ShardSums } from './pipeline/reducer-fitting.ts';
import type { ComputedBy, Run } from './pipeline/run.ts';
import { openProgress, type RunClock, StageClock } from './pipeline/stream/progress.ts';
import { workFolder } from './pipeline/work-folder.ts';
import { loadExport, publish, reportEnd } from './publish.ts';
import { openInput } from './report/finished-run.ts';
import { describeDifference, type Json, type RunIdentity } from './run/fingerprint.ts';
import { readIntact } from './run/intact-files.ts';
import { planOfJob } from './run/plan-shards.ts';
import { readNamedRun } from './run/run-json.ts';
import type { RunStore } from './run/run-store.ts';
import { s3OptionsOf } from './s3/s3-options.ts';
import type { Source } from './source/source.ts';
import { openOutput, openOutputForReading } from './storage/open-output.ts';
import type { OutputStore } from './storage/output-store.ts';

/** What `merge` is told; all else is that of the jobs. */
export interface MergeOptions {
  /** The outputs of all jobs: folders or s3:// prefixes. */
  readonly outs: readonly string[];
  /** Where the table goes, and what may be different from the jobs: --report, --thumbnails, --work-dir, the store's. */
  readonly given: Pick<ExtractOptions, 'out'> & Partial<ExtractOptions>;
}

/**
 * Makes the table of a run that several jobs have computed: with the bytes that one run of all images would give.
 * @throws RunError for a job that is missing, double, damaged or of another run; it says which
 */
export async function merge(options: MergeOptions, hooks: ExtractHooks): Promise<RunSummary> {
  const closers = new Closers();
  const { onEvent } = hooks;
  try {
    const run = await open(options, hooks, closers);
    if ('wasComplete' in run) return reportEnd(run, onEvent);
    if (!run.areReducersKept) onEvent({ event: 'stage', stage: 'reduce' });
    const reducers = await run.clock.time('reduce', () => run.fitting.finish());
    return reportEnd(await publish(run, reducers, await loadExport(run)), onEvent);
  } finally {
    await closers.close();
  }
}

/** The run of all jobs with their rows in its work folder, or its summary where it was merged before. */
async function open(
  { outs, given }: MergeOptions,
  hooks: ExtractHooks,
  closers: Closers,
): Promise<Run | RunSummary> {
  const { signal, onEvent } = hooks;
  const startedAt = new Date();
  const clock: RunClock = new StageClock();
  const stores = { s3: s3OptionsOf(storeOptions(given)), ...hooks };
  const openStore = async (target: string) => {
    const store = await openOutputForReading(target, stores);
    closers.add(() => store.close?.());
    return store;
  };
  const jobs = await clock.time('list', async () =>
    readJobs(await Promise.all(outs.map(openStore))),
  );
  warnOfLibraries(jobs, onEvent);
  const [first] = jobs;
  const { identity } = first.facts;
  const options = optionsOf(first, given);
  await refuseOutputInInput(options, workFolder(options));
  const output = await openOutput(options.out, stores);
  closers.add(() => output.close?.());
  const source = openInput(options, options) ?? goneSource(options, onEvent);
  closers.add(() => source.close?.());

  const listed = await listOf(first);
  const outputs = outputsOf(first.run);
  const lengths = outputs.map(({ length }) => length);
  const columns = columnsOf(options, outputs, listed);
  const ends = { options, source, output, columns, identity, ...hooks };
  const standing = await openRun({ ...ends, listed, lengths });
  closers.add(() => standing.close());
  if (standing.summary !== undefined) return standing.summary;
  const { store } = standing;
  await clock.time('extract', () => adoptShards(store, jobs, signal));
  const saved =
    options.with === undefined
      ? undefined
      : await savedReducers(await openStore(options.with), first, outputs);
  return {
    ...{ ...ends, ...standing, clock, startedAt, closers },
    skipped: first.run.counts.skipped ?? {},
    extractor: noExtractor(outputs),
    fitting: saved ?? new ReducerFitting(store, outputs, options, signal),
    areReducersKept: saved !== undefined,
    jobs: { list: jobs.map(describeJob), computing: computedBy(jobs, describeHalved(store)) },
    progress: openProgress(standing, { maxBad: options.maxBad, onEvent }),
  };
}

/** What an earlier, stopped attempt has taken over is not read again. */
async function adoptShards(store: RunStore, jobs: readonly Job[], signal: AbortSignal) {
  const lacking = jobs.flatMap((job, i) =>
    planOfJob(store.plan, { index: i + 1, of: jobs.length })
      .shards.filter(({ id }) => !store.isCommitted(id))
      .map(({ id }) => ({ id, job })),
  );
  const adopting = mapOrdered(lacking, IN_FLIGHT, async ({ id, job }) => {
    signal.throwIfAborted();
    await adoptShard(store, id, job);
  });
  for await (const _ of adopting);
}

/** Shards, of at most 32 MiB each, that are in memory at once. */
const IN_FLIGHT = 4;

/** The bytes of a network's features may depend on them. */
function warnOfLibraries(jobs: readonly Job[], onEvent: ExtractHooks['onEvent']): void {
  const [first, ...others] = jobs.map(({ run }) => run.libraries as RunIdentity);
  for (const [i, libraries] of others.entries()) {
    const differences = describeDifference(
      first,
      libraries,
      (name, was, is) => `${name} ${was} and ${is}`,
    );
    if (differences.length === 0) continue;
    const message = `Jobs ${jobs[0].facts.shard} and ${jobs[i + 1].facts.shard} had different libraries: ${differences.join(', ')}.`;
    onEvent({ event: 'warning', message });
    return;
  }
}

/** Of jobs of a `transform`: the reducers of the run that they named. */
async function savedReducers(
  saved: OutputStore,
  { facts }: Job,
  outputs: Extractor['outputs'],
): Promise<ShardSums> {
  const run = await readNamedRun(saved, '--with of the jobs', { hasReducer: true });
  const file = run.files.find(({ name }) => name === 'reducer.npz');
  if (file?.sha256 === facts.identity.reducer)
    return fittedBefore(await readIntact(saved, file!), outputs);
  throw new RunError(
    `Expected the reducer that the jobs used in ${saved.target} but found another.`,
    { fix: 'Restore that run, or run all jobs again with --overwrite.' },
  );
}

function optionsOf({ run }: Job, given: MergeOptions['given']): ExtractOptions {
  const { shard: _, workDir: __, overwrite: ___, ...ofJobs } = run.options as ExtractOptions;
  const workers = Math.max(1, availableParallelism());
  return { overwrite: false, ...ofJobs, workers, ...given } as ExtractOptions;
}

/** Only what the table and run.json ask for is known. */
function noExtractor(outputs: Extractor['outputs']): Extractor {
  return {
    ...{
      inputSize: [0, 0],
      outputs,
      batchSize: 0,
      inFlight: 0,
      engine: undefined,
      model: undefined,
    },
    run: async () => {
      throw new RunError(
        'Expected all rows of a merged run from its jobs but found some to compute.',
      );
    },
    close: async () => {},
  };
}

/** The images of the report, where the input cannot be reached from here: none. */
function goneSource({ input }: ExtractOptions, onEvent: ExtractHooks['onEvent']): Source {
  const message = `${input} cannot be opened here: the report has no pictures, and copies are told by features alone.`;
  onEvent({ event: 'note', message });
  return {
    ...{ input, isLocal: true },
    async *list() {},
    read: async () => {
      throw new RunError(message);
    },
  };
}

function describeJob({ run, output, facts }: Job): Json {
  const { counts, startedAt, finishedAt, stagesMs, machine } = run as Record<string, Json> &
    Job['run'];
  const { discovered, extracted, rejected } = counts;
  const work = {
    discovered,
    extracted,
    rejected,
    startedAt,
    finishedAt,
    stagesMs,
    machine,
  } as Json;
  return { shard: facts.shard, out: output.target, ...(work as object) };
}

/** The device of the first job, with the engines of all. */
function computedBy(jobs: readonly Job[], outOfMemory: Json): ComputedBy {
  const { model } = jobs[0].run as ComputedBy;
  const devices = jobs.map(({ run }) => run.device as ComputedBy['device']);
  if (devices[0] === undefined) return {};
  const engines = devices.flatMap((device) => (device?.engines ?? []) as Json[]);
  return { device: { ...devices[0], engines, outOfMemory }, model };
}
