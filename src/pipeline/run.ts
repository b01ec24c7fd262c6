import type { Closers } from '../closers.ts';
import type { RunEvent } from '../events.ts';
import type { FeatureColumn } from '../export/column-names.ts';
import type { ReadyThreads } from '../image/pool/decode-thread.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import type { Reducer } from '../reduce/reducer.ts';
import type { Json, RunIdentity } from '../run/fingerprint.ts';
import type { Rejection } from '../run/rejections.ts';
import type { Skipped } from '../source/skipped.ts';
import type { Source, SourceEntry } from '../source/source.ts';
import type { OutputStore, WrittenFile } from '../storage/output-store.ts';
import type { Extractor } from './extractor/extractor.ts';
import type { RunToCompute } from './open-run.ts';
import type { ShardSums } from './reducer-fitting.ts';
import type { Progress, RunClock } from './stream/progress.ts';

/** A run that is open: what its stages share. */
export interface Run extends RunToCompute {
  readonly options: ExtractOptions;
  readonly source: Source;
  /** What the listing left out. */
  readonly skipped: Skipped;
  readonly output: OutputStore;
  /** Of the table. */
  readonly columns: readonly FeatureColumn[];
  readonly extractor: Extractor;
  /** Decoding threads that were started ahead. */
  readonly threads?: ReadyThreads;
  readonly identity: RunIdentity;
  readonly fitting: ShardSums;
  /** The reducers are those of another run, or of this one before its update. */
  readonly areReducersKept: boolean;
  /** A split that this run made; undefined where the list of images brings one, or there is none. */
  readonly madeSplit?: MadeSplit | undefined;
  /** Of a merged run, whose jobs have computed all of it. */
  readonly jobs?: { readonly list: Json; readonly computing: ComputedBy } | undefined;
  readonly progress: Progress;
  readonly clock: RunClock;
  readonly startedAt: Date;
  /** Closes what the stages open, when the run ends. */
  readonly closers: Closers;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** What computed the features, for run.json; nothing for pixels. */
export interface ComputedBy {
  readonly device?: Readonly<Record<string, Json>>;
  readonly model?: Readonly<Record<string, Json>>;
}

/** A split that was made after the features were computed. */
export interface MadeSplit {
  readonly names: readonly string[];
  /** For each image of the list the position of its split in `names`. */
  readonly of: Uint8Array;
}

/** An image of the run, with the split that the table gives it. */
export function entryOf({ manifest, madeSplit }: Run, index: number): SourceEntry {
  const entry = manifest.entry(index);
  return madeSplit === undefined
    ? entry
    : { ...entry, split: madeSplit.names[madeSplit.of[index]] };
}

/** Whether the table has a column `split`. */
export function hasSplit({ manifest, madeSplit }: Run): boolean {
  return manifest.hasSplit || madeSplit !== undefined;
}

/** A run whose table is written. */
export interface RunEnd extends Run {
  /** One for each output; empty with k = 0. */
  readonly reducers: readonly Reducer[];
  readonly rejections: readonly Rejection[];
  readonly files: readonly WrittenFile[];
  /** Rows of each split; undefined where the run has none. */
  readonly splitCounts?: Readonly<Record<string, number>> | undefined;
  /** What the report found, for run.json. */
  readonly findings?: Json | undefined;
  /** How well the features tell classes apart, for run.json. */
  readonly quality?: Json | undefined;
}
