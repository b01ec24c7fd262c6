import { type DecodeTask, type ImageRejection, toRejection } from '../image/decoded-chunk.ts';
import { expectPlausibleSize } from '../image/read-image-file.ts';
import type { Source, SourceEntry } from './source.ts';

/** An image of a source as the decode threads take it: they open local files themselves, others are fetched for them. */
export function toTask(
  index: number,
  entry: SourceEntry,
  source: Pick<Source, 'isLocal' | 'fileOf' | 'read'>,
  signal: AbortSignal,
): DecodeTask {
  const { location, size, version } = entry;
  const listed = { size, version };
  const file = source.fileOf?.(entry);
  if (file !== undefined) return { index, ...file };
  if (!source.isLocal || source.fileOf !== undefined) {
    return { index, listed, fetch: (stop = signal) => source.read(entry, stop) };
  }
  // An image whose listing is unknown has no version: any version is accepted.
  return version === '' ? { index, path: location } : { index, path: location, listed };
}

/** The task with its bytes, where threads cannot open it. @throws what `fetch` throws */
export async function fetchTask(task: DecodeTask, stop?: AbortSignal): Promise<DecodeTask> {
  return isFetched(task) ? { ...task, bytes: await task.fetch!(stop) } : task;
}

function isFetched({ path, bytes }: DecodeTask): boolean {
  return path === undefined && bytes === undefined;
}

/** What may be fetched ahead of the decoder. A chunk larger than that is fetched alone. */
export interface LookAhead {
  readonly images: number;
  readonly bytes: number;
}

/** Enough for 64 requests in flight while the decoder takes whole chunks; the memory that it may cost. */
export const LOOK_AHEAD: LookAhead = { images: 192, bytes: 64 << 20 };

export interface FetchAheadOptions {
  /** Images that were listed as larger than any of so many pixels are rejected unread. */
  readonly maxPixels: number;
  readonly lookAhead?: LookAhead | undefined;
  readonly signal: AbortSignal;
}

export interface FetchedChunk {
  readonly tasks: readonly DecodeTask[];
  /** Those that are missing or have changed. */
  readonly rejections: readonly ImageRejection[];
}

/**
 * Fetches images that threads cannot open, before the decoder needs them, and passes chunks on in their order. Where sizes are not
 * known before, the sizes of those fetched so far are used for the next ones, and one chunk is fetched first alone.
 * The store itself limits how many requests are in flight.
 * @throws SourceError when the store fails
 */
export async function* fetchAhead(
  chunks: AsyncIterable<readonly DecodeTask[]> | Iterable<readonly DecodeTask[]>,
  { maxPixels, lookAhead = LOOK_AHEAD, signal }: FetchAheadOptions,
): AsyncGenerator<FetchedChunk> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const pending: PendingChunk[] = [];
  let largest = lookAhead.bytes;
  const takeFirst = async (): Promise<FetchedChunk> => {
    const all = await Promise.all(pending[0].fetches);
    pending.shift();
    const tasks = all.filter((one): one is DecodeTask => !('reason' in one));
    const rejections = all.filter((one) => 'reason' in one);
    const sizes = tasks.map(({ bytes }) => bytes?.length ?? 0);
    if (sizes.some((size) => size > 0)) largest = Math.max(...sizes);
    return { tasks, rejections };
  };
  const fits = (images: number, bytes: number | undefined): boolean => {
    let [allImages, allBytes] = [images, bytes ?? images * largest];
    for (const one of pending) {
      allImages += one.fetches.length;
      allBytes += one.bytes ?? one.fetches.length * largest;
    }
    return allImages <= lookAhead.images && allBytes <= lookAhead.bytes;
  };
  try {
    for await (const chunk of chunks) {
      if (!chunk.some(isFetched)) {
        while (pending.length > 0) yield await takeFirst();
        yield { tasks: chunk, rejections: [] };
        continue;
      }
      const bytes = listedBytes(chunk);
      while (pending.length > 0 && !fits(chunk.length, bytes)) yield await takeFirst();
      const fetches = chunk.map((task) => fetchOrReject(task, maxPixels, ended));
      for (const fetch of fetches) fetch.catch(() => {}); // its error is thrown when its turn comes
      pending.push({ fetches, bytes });
    }
    while (pending.length > 0) yield await takeFirst();
  } finally {
    // Nobody needs what is still being fetched.
    stop.abort(new Error('no longer wanted'));
    await Promise.allSettled(pending.flatMap(({ fetches }) => fetches));
  }
}

interface PendingChunk {
  readonly fetches: readonly Promise<DecodeTask | ImageRejection>[];
  /** As listed; undefined where that is known only once they are there. */
  readonly bytes: number | undefined;
}

function listedBytes(chunk: readonly DecodeTask[]): number | undefined {
  let sum = 0;
  for (const { listed } of chunk) {
    if (listed === undefined) return undefined;
    sum += listed.size;
  }
  return sum;
}

async function fetchOrReject(
  task: DecodeTask,
  maxPixels: number,
  stop: AbortSignal,
): Promise<DecodeTask | ImageRejection> {
  try {
    if (task.listed !== undefined) expectPlausibleSize(task.listed.size, maxPixels);
    return await fetchTask(task, stop);
  } catch (error) {
    return toRejection(task.index, error);
  }
}
