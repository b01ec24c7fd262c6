import { dirname } from 'node:path';
import type { RunEvent, RunSummary } from '../events.ts';
import type { FeatureColumn } from '../export/column-names.ts';
import { makeFolder } from '../files/make-folder.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { fingerprint, type RunIdentity } from '../run/fingerprint.ts';
import type { Manifest } from '../run/manifest.ts';
import { planRun, type ShardPlan } from '../run/plan-shards.ts';
import type { OpenRunOptions } from '../run/run-identity.ts';
import { readOwnRun } from '../run/run-json.ts';
import { RunStore } from '../run/run-store.ts';
import { isS3Url } from '../s3/s3-address.ts';
import type { Source } from '../source/source.ts';
import type { OutputStore } from '../storage/output-store.ts';
import { clearOutput, refuseForeignFiles, refuseForeignTable } from './prepare-output.ts';
import { readSummary } from './summarize.ts';
import { openUpdate } from './update/open-update.ts';
import type { Update } from './update/update.ts';
import { workFolder } from './work-folder.ts';

export interface OpenRunContext {
  readonly options: ExtractOptions;
  readonly source: Source;
  /** The list of images, just frozen. */
  readonly listed: Manifest;
  readonly output: OutputStore;
  readonly columns: readonly FeatureColumn[];
  readonly identity: RunIdentity;
  /** Values in each vector, by output. */
  readonly lengths: readonly number[];
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** A run to compute, or its summary where nothing is left to do. */
export type OpenedRun = RunToCompute | { readonly summary: RunSummary; close(): Promise<void> };

export interface RunToCompute {
  readonly summary?: undefined;
  /** The work folder. */
  readonly dir: string;
  readonly store: RunStore;
  readonly manifest: Manifest;
  /** Set where a finished run is brought up to date. */
  readonly update: Update | undefined;
  close(): Promise<void>;
}

/** How a run of the images is cut. */
export function planOf(
  { mode, views }: Pick<ExtractOptions, 'mode' | 'views'>,
  { count }: Pick<Manifest, 'count'>,
  lengths: readonly number[],
): ShardPlan {
  return planRun(count, { isPixels: mode === 'pixels', lengths, views });
}

/** The state of the run: fresh, to be resumed, finished before, or finished and to be brought up to date. */
export async function openRun(context: OpenRunContext): Promise<OpenedRun> {
  const { options, listed, output, identity, lengths, onEvent } = context;
  const dir = workFolder(options, onEvent);
  // State in the cache, whose folder only this user may read, whichever code creates it first.
  if (options.workDir === undefined && isS3Url(options.out)) {
    makeFolder(dirname(dir), 0o700);
  }
  await refuseForeignFiles(output);
  const runOf = (manifest: Manifest): OpenRunOptions => ({
    identity,
    manifest,
    lengths,
    plan: planOf(options, manifest, lengths),
    overwrite: options.overwrite,
    job: options.shard,
  });

  const update = options.update
    ? await openUpdate(dir, { ...context, run: runOf(listed), runOf })
    : undefined;
  if (update !== undefined && 'nothingToDo' in update) {
    return { summary: await readSummary(output, update.nothingToDo), close: async () => {} };
  }
  if (update !== undefined) {
    const { store, manifest } = update;
    return { dir: update.dir, store, manifest, update, close: () => update.close() };
  }

  if (!options.overwrite && !(await RunStore.isIn(dir))) {
    if (await isEndedJob(context)) {
      return { summary: await readSummary(output), close: async () => {} };
    }
    await refuseForeignTable(output);
  }
  const store = await RunStore.open(dir, runOf(listed));
  const close = () => store.close();
  try {
    for (const message of store.damaged) onEvent({ event: 'warning', message });
    if (store.state === 'finished') return { summary: await readSummary(output), close };
    await clearOutput(output);
    return { dir, store, manifest: listed, update: undefined, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether the output is that of this very job, which ended on a machine whose disk is gone. */
async function isEndedJob({ options, output, identity, listed }: OpenRunContext): Promise<boolean> {
  if (options.shard === undefined || !(await output.list('')).includes('_SUCCESS')) return false;
  const { fingerprint: ended, job } = await readOwnRun(output);
  return ended === fingerprint(identity) && job?.manifestSha256 === listed.sha256;
}
