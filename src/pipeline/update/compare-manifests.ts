import type { UpdateCounts } from '../../events.ts';
import type { RejectReason } from '../../image/decode-error.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';
import { pairByOrigin } from '../../run/compare-utf8.ts';
import { type FinishedState, readFinishedState } from '../../run/finished-state.ts';
import { entriesOf, type Manifest } from '../../run/manifest.ts';
import type { SourceEntry } from '../../source/source.ts';
import { workFolder } from '../work-folder.ts';

export interface Comparison {
  readonly counts: UpdateCounts;
  /** For each image of the new list the position in the old one whose outcome it keeps, or -1: to be computed. */
  readonly keeps: Int32Array;
}

export interface CompareOptions {
  /** The decoder has more time than the finished run gave it. */
  readonly hasMoreTime: boolean;
  /** Whether an image that could not be read can be now. */
  readonly isReadable: (entry: SourceEntry) => Promise<boolean>;
}

/** Walks both lists once, in the order of their origins. */
export async function compareManifests(
  before: FinishedState,
  now: Manifest,
  options: CompareOptions,
): Promise<Comparison> {
  const keeps = new Int32Array(now.count).fill(-1);
  const counts = {
    unchanged: 0,
    added: 0,
    changed: 0,
    removed: 0,
    rejectedBefore: 0,
    retried: 0,
    relabelled: 0,
  };
  const hasSameColumns = `${before.manifest.kept}` === `${now.kept}`;
  for (const [was, is] of pairByOrigin(walk(before.manifest), walk(now))) {
    if (is === undefined) counts.removed++;
    else if (was === undefined) counts.added++;
    else {
      const outcome = await outcomeOf(was, is, before, options);
      counts[outcome]++;
      if (outcome === 'unchanged' || outcome === 'rejectedBefore') {
        if (is.entry !== undefined) keeps[is.index] = was.index;
        if (!hasSameColumns || labelsOf(was) !== labelsOf(is)) counts.relabelled++;
      }
    }
  }
  return { counts, keeps };
}

/** What the table says of an image beside its features, as one text. */
function labelsOf({ entry }: ListedItem): string {
  return JSON.stringify([entry?.target, entry?.split, entry?.kept]);
}

/** True when a new table would be the old one. */
export function isSameTable(counts: UpdateCounts): boolean {
  const { added, changed, removed, retried, relabelled } = counts;
  return added + changed + removed + retried + relabelled === 0;
}

/** One image, or one file that the listing itself rejected (no entry then). */
interface ListedItem {
  readonly origin: string;
  readonly index: number;
  readonly entry: SourceEntry | undefined;
  readonly reason: RejectReason | undefined;
}

/** Images and rejections of a listing as one sequence, sorted by origin. */
function* walk(manifest: Manifest): Generator<ListedItem, undefined> {
  let index = 0;
  for (const [entry, rejected] of pairByOrigin(entriesOf(manifest), manifest.rejections)) {
    if (entry === undefined) yield { index: -1, entry, ...rejected };
    else yield { origin: entry.origin, index: index++, entry, reason: undefined };
  }
}

async function outcomeOf(
  was: ListedItem,
  is: ListedItem,
  before: FinishedState,
  options: CompareOptions,
): Promise<'unchanged' | 'changed' | 'rejectedBefore' | 'retried'> {
  if (was.entry === undefined || is.entry === undefined) {
    return was.reason !== undefined && was.reason === is.reason ? 'rejectedBefore' : 'changed';
  }
  if (was.entry.size !== is.entry.size || was.entry.version !== is.entry.version) return 'changed';
  const rejection = before.rejections.get(was.index);
  if (rejection !== undefined && (await hasPassed(rejection.reason, is.entry, options))) {
    return 'retried';
  }
  if (isOtherFile(was.entry, is.entry)) return 'changed';
  return rejection === undefined ? 'unchanged' : 'rejectedBefore';
}

/** Whether a file may hold something else though its size and modification time are the same. */
function isOtherFile({ stamp: was }: SourceEntry, { stamp: is }: SourceEntry): boolean {
  return was !== undefined && is !== undefined && was !== is;
}

/** Most reasons depend on the bytes, which are the same; these depend on the moment of reading. */
async function hasPassed(
  reason: RejectReason,
  entry: SourceEntry,
  { hasMoreTime, isReadable }: CompareOptions,
): Promise<boolean> {
  if (reason === 'vanished' || reason === 'changed') return true;
  if (reason === 'timeout') return hasMoreTime;
  return reason === 'unreadable' && (await isReadable(entry));
}

/**
 * What `--update` would find, by the lists alone: nothing is locked, read again or written, and options are
 * not compared.
 *
 * @returns undefined where no run has finished
 */
export async function previewUpdate(
  options: ExtractOptions,
  manifest: Manifest,
): Promise<UpdateCounts | undefined> {
  const before = await readFinishedState(workFolder(options));
  if (before === undefined) return undefined;
  const asBefore = { hasMoreTime: false, isReadable: async () => false };
  return (await compareManifests(before, manifest, asBefore)).counts;
}

/** Images that an update computes. */
export function wantedImages({ added, changed, retried }: UpdateCounts): number {
  return added + changed + retried;
}
