import { DecodeError } from '../image/decode-error.ts';
import type { DecodeTask } from '../image/decoded-chunk.ts';
import type { S3Address } from '../s3/s3-address.ts';
import type { RemoteTask, RowTask } from './row-chunks.ts';
import type { RowQueue } from './row-queue.ts';

/** What may be fetched ahead of the decoder, as in `extract`. */
const AHEAD_ROWS = 192;
const AHEAD_BYTES = 64 << 20;

export type ReadRemote = (address: S3Address, signal: AbortSignal) => Promise<Uint8Array>;

interface Pending {
  readonly tasks: Promise<DecodeTask[]>;
  readonly rows: number;
}

/**
 * Fetches what lies in a store, ahead of its turn, and passes chunks on in their order. How large objects are is not
 * known before: those fetched so far stand for the next ones, and one chunk goes first alone.
 * @throws SourceError when the store fails
 */
export async function* fetchRemote(
  chunks: AsyncIterable<RowTask[]>,
  rows: RowQueue,
  read: ReadRemote,
  signal: AbortSignal,
): AsyncGenerator<DecodeTask[]> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const pending: Pending[] = [];
  let ahead = 0;
  let largest = AHEAD_BYTES;
  const fetch = async (task: RowTask): Promise<DecodeTask | undefined> => {
    if (!isRemote(task)) return task;
    const { index, name, address } = task;
    try {
      const bytes = await read(address, ended);
      return { index, name, bytes, readAgain: () => read(address, signal) };
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      rows.reject(index, error.reason, error.message);
      return undefined;
    }
  };
  const takeFirst = async (): Promise<DecodeTask[]> => {
    const first = pending.shift()!;
    const tasks = await first.tasks;
    ahead -= first.rows;
    const sizes = tasks.map(({ bytes }) => bytes?.length ?? 0);
    if (sizes.some((size) => size > 0)) largest = Math.max(...sizes);
    return tasks;
  };
  try {
    for await (const chunk of chunks) {
      if (!chunk.some(isRemote)) {
        while (pending.length > 0) yield await takeFirst();
        yield chunk as DecodeTask[];
        continue;
      }
      const tasks = Promise.all(chunk.map(fetch)).then((all) =>
        all.filter((one) => one !== undefined),
      );
      tasks.catch(() => {}); // heard when its turn comes
      pending.push({ tasks, rows: chunk.length });
      ahead += chunk.length;
      while (pending.length > 0 && (ahead >= AHEAD_ROWS || ahead * largest >= AHEAD_BYTES)) {
        yield await takeFirst();
      }
    }
    while (pending.length > 0) yield await takeFirst();
  } finally {
    // What is still on its way has no taker any more.
    stop.abort(new Error('no longer wanted'));
    await Promise.allSettled(pending.map(({ tasks }) => tasks));
  }
}

function isRemote(task: RowTask): task is RemoteTask {
  return 'address' in task;
}
