import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RunError } from '../../errors.ts';
import { readJsonFile } from '../../json.ts';
import type { FinishedState } from '../../run/finished-state.ts';
import { readIntact } from '../../run/intact-files.ts';
import { readRejections } from '../../run/rejections.ts';
import { readOwnRun } from '../../run/run-json.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import type { OutputStore, WrittenFile } from '../../storage/output-store.ts';

const FIX = 'Remove that file: the update looks at the finished run again.';

/** What an update needs of the finished run's run.json. */
export interface BaseRun {
  /** Every file of the table, with its SHA-256. */
  readonly files: readonly WrittenFile[];
  /** Seconds that the decoder had for an image. */
  readonly imageTimeout: number;
  /** The reducer was not fitted on these rows but kept by an update. */
  readonly hasKeptReducer: boolean;
}

/**
 * What the finished run wrote. The first start copies it, and reducer.npz, into the update's folder: once
 * the update replaces the table, neither can be read from the output any more.
 *
 * @throws RunError when the output is not that of the run in the work folder, or reducer.npz is damaged
 */
export async function readBaseRun(
  updateDir: string,
  output: OutputStore,
  before: FinishedState,
): Promise<BaseRun> {
  const path = join(updateDir, 'base.json');
  if (existsSync(path)) return readJsonFile(path, { error: RunError, fix: FIX }) as BaseRun;
  const run = await readOwnRun(output);
  if (
    run.fingerprint !== before.identity.fingerprint ||
    run.counts.extracted !== before.extracted ||
    run.counts.discovered !== before.manifest.count + before.manifest.rejections.length
  ) {
    throw new RunError(
      `Expected the table in ${output.target} to be that of the finished run but found another run's.`,
      { fix: 'Give --overwrite to compute the table again, or name another --out.' },
    );
  }
  await expectSameRejections(output, run.files, before);
  const update = run.update as { reducer?: string } | undefined;
  return {
    files: run.files,
    imageTimeout: (run.options as { imageTimeout: number }).imageTimeout,
    hasKeptReducer: update?.reducer === 'kept',
  };
}

/** Records of version 0.1.0 have no sum: that they name the images without a row is checked against the run's own list. */
async function expectSameRejections(
  output: OutputStore,
  files: readonly WrittenFile[],
  { manifest, rejections }: FinishedState,
): Promise<void> {
  const stored = await readRejections(output, files);
  if (stored === undefined) return;
  const told = new Set(manifest.rejections.map(({ origin }) => origin));
  for (const index of rejections.keys()) told.add(manifest.entry(index).origin);
  if (stored.length === told.size && stored.every(({ origin }) => told.has(origin))) return;
  throw new RunError(
    `Expected the records of the finished run to reject the images in rejected.jsonl of ${output.target} but found others.`,
    { fix: 'Give --overwrite to compute the table again.' },
  );
}

/** Copies what `readBaseRun` found, so that later starts need not read it again. */
export async function keepBaseRun(
  updateDir: string,
  output: OutputStore,
  base: BaseRun,
): Promise<void> {
  if (existsSync(join(updateDir, 'base.json'))) return;
  const reducer = base.files.find(({ name }) => name === 'reducer.npz');
  if (reducer !== undefined) {
    const bytes = await readIntact(output, reducer);
    await writeDurably(join(updateDir, 'reducer.npz'), 'the reducer of the finished run', bytes);
  }
  const facts = JSON.stringify(base);
  await writeDurably(join(updateDir, 'base.json'), 'the facts of the finished run', facts);
}
