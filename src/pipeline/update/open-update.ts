import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OptionError, RunError } from '../../errors.ts';
import type { RunEvent, UpdateCounts, UpdateReport } from '../../events.ts';
import type { FeatureColumn } from '../../export/column-names.ts';
import type { FileLock } from '../../files/lock-file.ts';
import { DecodeError } from '../../image/decode-error.ts';
import type { ExtractOptions, FormatName } from '../../options/extract-options.ts';
import { type FinishedState, readFinishedState } from '../../run/finished-state.ts';
import { lockWorkFolder } from '../../run/lock-work-folder.ts';
import { type Manifest, readManifest } from '../../run/manifest.ts';
import { isPublishing, promoteUpdate, UPDATE_FOLDER } from '../../run/promote-update.ts';
import {
  isSameRun,
  type OpenRunOptions,
  readRunIdentity,
  refuseOtherOptions,
} from '../../run/run-identity.ts';
import { RunStore } from '../../run/run-store.ts';
import type { Source, SourceEntry } from '../../source/source.ts';
import type { OutputStore } from '../../storage/output-store.ts';
import { publishedNames } from '../prepare-output.ts';
import { keepBaseRun, readBaseRun } from './base-run.ts';
import { compareManifests, isSameTable } from './compare-manifests.ts';
import { ReusedRows } from './reuse-rows.ts';
import { formatWithVectors, storedRows } from './stored-rows.ts';
import { Update } from './update.ts';

export interface OpenUpdateContext {
  readonly options: ExtractOptions;
  readonly source: Source;
  readonly output: OutputStore;
  /** Columns of the table. */
  readonly columns: readonly FeatureColumn[];
  /** The run that the input would make now. */
  readonly run: OpenRunOptions;
  /** The same for another list of images. */
  readonly runOf: (manifest: Manifest) => OpenRunOptions;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/**
 * Starts an update of a finished run, or resumes it.
 *
 * @param workDir the finished run's work folder; its lock is held until the update is closed
 * @returns undefined where no run has finished: then `--update` is a plain run
 * @throws RunError when options or model are others than the finished run's, its table is damaged or does not
 *   hold the vectors, or none of its images exists any more
 */
export async function openUpdate(
  workDir: string,
  context: OpenUpdateContext,
): Promise<Update | { readonly nothingToDo: UpdateReport } | undefined> {
  const lock = await lockWorkFolder(workDir);
  try {
    await promoteUpdate(workDir);
    const before = await readFinishedState(workDir);
    const opened = before && (await beginUpdate(workDir, before, context, lock));
    if (opened instanceof Update) return opened;
    if (before === undefined) await explainPlainRun(workDir, context);
    await lock.release();
    return opened;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function beginUpdate(
  workDir: string,
  before: FinishedState,
  context: OpenUpdateContext,
  lock: FileLock,
): Promise<Update | { readonly nothingToDo: UpdateReport }> {
  const { options, source, output, onEvent, signal } = context;
  refuseOtherOptions(workDir, before.identity, context.run.identity);
  const dir = join(workDir, UPDATE_FOLDER);
  const run = isPublishing(workDir) ? await runBeingPublished(dir, context) : context.run;
  const base = await readBaseRun(dir, output, before);
  const comparison = await compareManifests(before, run.manifest, {
    hasMoreTime: options.imageTimeout > base.imageTimeout,
    isReadable: (entry) => isReadable(source, entry, signal),
  });
  const { counts } = comparison;
  const report: UpdateReport = { ...counts, reducer: outcomeOfReducer(options, before) };
  const isFitted = report.reducer !== 'refitted' || !base.hasKeptReducer;
  if (isSameTable(counts) && isFitted && !isPublishing(workDir)) {
    return { nothingToDo: report };
  }
  refuseEmptyInput(before, counts, context);
  const table = { output, files: base.files, columns: context.columns, lengths: run.lengths };
  refuseLostVectors(output, counts, formatWithVectors(table));
  onEvent({ event: 'update', ...report });

  const store = await openStore(dir, run, context);
  try {
    await keepBaseRun(dir, output, base);
    const reused = new ReusedRows({
      ...{ dir: join(dir, 'reused'), before, manifest: run.manifest, keeps: comparison.keeps },
      ...{ store, lengths: run.lengths },
    });
    await reused.takeOver(storedRows(table), signal);
    for (const message of store.damaged) onEvent({ event: 'warning', message });
    const reducerFile = base.files.find(({ name }) => name === 'reducer.npz');
    const { manifest } = run;
    return new Update({ workDir, lock, store, manifest, report, reused, reducerFile });
  } catch (error) {
    await store.close();
    throw error;
  }
}

function outcomeOfReducer(
  { k, refit, with: borrowed }: ExtractOptions,
  { extracted }: FinishedState,
): UpdateReport['reducer'] {
  if (k === 0) return 'none';
  // A reducer that was fitted on no rows would turn every new row into zeros.
  return refit || (extracted === 0 && borrowed === undefined) ? 'refitted' : 'kept';
}

/** The update that had begun to replace the table is completed first, even if the input has changed since. */
async function runBeingPublished(
  dir: string,
  { run, runOf, onEvent }: OpenUpdateContext,
): Promise<OpenRunOptions> {
  const manifest = await readManifest(join(dir, 'manifest.jsonl'));
  if (manifest.sha256 === run.manifest.sha256) return run;
  const message =
    'The images changed since an update was stopped while it replaced the table: that update is completed first; give the same command again for what changed since.';
  onEvent({ event: 'warning', message });
  return runOf(manifest);
}

async function isReadable(
  source: Source,
  entry: SourceEntry,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await source.read(entry, signal);
    return true;
  } catch (error) {
    // A local file system reports it by a code, a store by a rejection; a failing store does neither.
    if (!source.isInStore || error instanceof DecodeError) return false;
    throw error;
  }
}

/** An input that lost all its images is a disk that is not mounted, or another input. */
function refuseEmptyInput(
  { manifest }: FinishedState,
  counts: UpdateCounts,
  { options, output }: OpenUpdateContext,
): void {
  const all = manifest.count + manifest.rejections.length;
  if (all === 0 || counts.removed < all) return;
  throw new RunError(
    `Expected some image of the finished run in ${output.target} among those of ${options.input} but found none of its ${all}.`,
    {
      fix: 'Check the input (is its disk mounted? is it named as before?), or give --overwrite to start again.',
    },
  );
}

function refuseLostVectors(
  output: OutputStore,
  { unchanged }: UpdateCounts,
  format: FormatName | undefined,
): void {
  if (unchanged === 0 || format !== undefined) return;
  throw new RunError(
    `Expected the vectors of the finished run in ${output.target} but found a table that does not give them back (--format csv or npy alone, or --columns); its rows cannot be reused.`,
    {
      fix: 'Give --overwrite to compute the table again; one with --format parquet, feather or json and all vectors can be updated.',
    },
  );
}

/** Resumes an update of the same images; one of other images is discarded, as the old table is still complete. */
async function openStore(
  dir: string,
  run: OpenRunOptions,
  { onEvent }: OpenUpdateContext,
): Promise<RunStore> {
  const begun = await readRunIdentity(dir);
  const isSame = begun !== undefined && isSameRun(begun, run);
  if (!isSame) {
    if (begun !== undefined) {
      const message = 'The images changed since an update was stopped: it starts again.';
      onEvent({ event: 'note', message });
    }
    await rm(join(dir, 'identity.json'), { force: true });
    await rm(join(dir, 'reused'), { recursive: true, force: true });
  }
  return RunStore.open(dir, { ...run, overwrite: !isSame });
}

/** Why `--update` ends as a plain run. @throws OptionError for a table whose state is missing */
async function explainPlainRun(
  workDir: string,
  { output, onEvent }: OpenUpdateContext,
): Promise<void> {
  if (existsSync(join(workDir, 'identity.json'))) {
    const message = `The run in ${output.target} is not finished: resuming it.`;
    onEvent({ event: 'note', message });
    return;
  }
  const [found] = await publishedNames(output);
  if (found !== undefined) {
    throw new OptionError(
      `Expected the state of the finished run in ${output.target} for --update but found none in ${workDir}.`,
      {
        fix: 'Name its --work-dir, or give --overwrite to compute the table again (without it nobody can know what changed).',
      },
    );
  }
  onEvent({ event: 'note', message: `No run in ${output.target} yet: this is its first.` });
}
