import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { RunError } from '../../errors.ts';
import type { DecodeOptions, DecodeTask } from '../../image/decoded-chunk.ts';
import { readJournals, removeJournals } from '../../image/pool/decode-journal.ts';
import { tryAlone } from '../../image/pool/try-alone.ts';
import { readJsonFile } from '../../json.ts';
import type { RunStore } from '../../run/run-store.ts';
import { fetchAhead, toTask } from '../../source/decode-tasks.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { storageError } from '../../storage/storage-error.ts';
import type { Run } from '../run.ts';

const FIX = 'Remove that file: images that crash their decoder are found again.';

/**
 * The images of a run that end the process that decodes them: manifest position to message.
 *
 * The rule: when an attempt ends without closing its journals (a crash, a kill), each image that was
 * in work is tried in a process of its own by the next attempt. An image that ends that process too
 * is excluded for the whole run (`crashed.json` in the work folder); all others are decoded as usual. So a
 * kill never loses a row, and a decoder's crash needs one restart.
 *
 * @throws RunError when no process can be started; SourceError when a store fails; ExportError
 */
export async function findCrashers(
  run: Run,
  options: DecodeOptions,
): Promise<ReadonlyMap<number, string>> {
  const { dir, store, manifest, signal, onEvent } = run;
  const path = join(dir, 'crashed.json');
  try {
    if (store.state === 'fresh') {
      rmSync(path, { force: true });
      removeJournals(dir);
      return new Map();
    }
    const known = new Map(
      existsSync(path)
        ? (readJsonFile(path, { error: RunError, fix: FIX }) as [number, string][])
        : [],
    );
    const suspects = readJournals(dir).filter(
      (index) => index < manifest.count && !known.has(index) && isOpen(store, index),
    );
    if (suspects.length > 0) {
      onEvent({
        event: 'note',
        message: `The last attempt ended while ${suspects.length} images were being decoded: trying them in a process of their own.`,
      });
      const imageTimeoutMs = run.options.imageTimeout * 1000;
      const trying = { options, imageTimeoutMs, signal };
      const found = await tryAlone(suspectTasks(suspects, run, options.maxPixels), trying);
      for (const [index, message] of found) {
        known.set(index, message);
        const { origin } = manifest.entry(index);
        onEvent({ event: 'warning', message: `${origin} is rejected: its decoder crashes.` });
      }
      if (found.size > 0) await writeDurably(path, 'crashed.json', JSON.stringify([...known]));
    }
    removeJournals(dir);
    return known;
  } catch (error) {
    throw storageErrorOr(error, dir);
  }
}

/** Those that are gone or have changed are left out: the run itself will say so. */
async function* suspectTasks(
  indices: readonly number[],
  { source, manifest, signal }: Run,
  maxPixels: number,
): AsyncGenerator<DecodeTask> {
  const alone = indices.map((index) => [toTask(index, manifest.entry(index), source, signal)]);
  for await (const { tasks } of fetchAhead(alone, { maxPixels, signal })) yield* tasks;
}

function isOpen(store: RunStore, index: number): boolean {
  const shard = store.plan.shards.find(({ start, end }) => index >= start && index < end);
  return shard !== undefined && !store.isCommitted(shard.id);
}

/** An error of the file system gets its explanation; our own errors are passed on. */
function storageErrorOr(error: unknown, dir: string): unknown {
  const isOfSystem = error instanceof Error && 'syscall' in error;
  return isOfSystem ? storageError(error, 'the work folder', dir) : error;
}
