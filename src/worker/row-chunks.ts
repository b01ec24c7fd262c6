import { DecodeError } from '../image/decode-error.ts';
import type { DecodeTask } from '../image/decoded-chunk.ts';
import { expectPlausibleSize } from '../image/read-image-file.ts';
import type { S3Address } from '../s3/s3-address.ts';
import type { InputBatch } from './input-batch.ts';
import { locateOrigin, targetOf } from './read-origin.ts';
import type { RowQueue } from './row-queue.ts';

/** Rows that one decode thread takes at once, as in `extract`; those with bytes wait in memory for it. */
const CHUNK_ROWS = 16;
const CHUNK_BYTES = 8 << 20;

export interface RowChunksOptions {
  readonly readRemote: (address: S3Address, signal: AbortSignal) => Promise<Uint8Array>;
  readonly maxPixels: number;
  readonly signal: AbortSignal;
}

/**
 * Cuts the rows of a stream into chunks for the decode threads, over the borders of its record batches, and
 * enters each into `rows`. What can be rejected without its bytes is rejected here.
 * @throws ProtocolError, SourceError
 */
export async function* rowChunks(
  batches: AsyncIterable<InputBatch>,
  rows: RowQueue,
  options: RowChunksOptions,
): AsyncGenerator<DecodeTask[]> {
  let tasks: DecodeTask[] = [];
  let bytes = 0;
  for await (const batch of batches) {
    for (let row = 0; row < batch.rows; row++) {
      const origin = batch.origin(row);
      const index = rows.add(origin, targetOf(origin));
      const content = batch.content(row);
      const size = content?.length ?? 0;
      if (tasks.length === CHUNK_ROWS || (tasks.length > 0 && bytes + size > CHUNK_BYTES)) {
        yield tasks;
        tasks = [];
        bytes = 0;
      }
      try {
        tasks.push(taskOf(index, origin, content, options));
        bytes += size;
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        rows.reject(index, error.reason, error.message);
      }
    }
  }
  if (tasks.length > 0) yield tasks;
}

/** @throws DecodeError where there is nothing to decode */
function taskOf(
  index: number,
  name: string,
  content: Uint8Array | null | undefined,
  { readRemote, maxPixels, signal }: RowChunksOptions,
): DecodeTask {
  if (content === null) {
    throw new DecodeError('unreadable', "Expected the image's bytes but found null as content.");
  }
  if (content !== undefined) {
    expectPlausibleSize(content.length, maxPixels);
    // A view of the record batch: the thread gets a copy, so that it is still there for a second try.
    return { index, name, bytes: content, fetch: async () => content };
  }
  const location = locateOrigin(name);
  if (location.kind === 's3') {
    return { index, name, fetch: (stop = signal) => readRemote(location, stop) };
  }
  return { index, name, path: location.path };
}
