import { DecodeError } from '../image/decode-error.ts';
import type { DecodeTask } from '../image/decoded-chunk.ts';
import { expectPlausibleSize } from '../image/read-image-file.ts';
import type { S3Address } from '../s3/s3-address.ts';
import type { InputBatch } from './input-batch.ts';
import { locateOrigin, targetOf } from './locate-origin.ts';
import type { RowQueue } from './row-queue.ts';

/** Rows that one decode thread takes in one go, as in `extract`; those with bytes wait in memory for it. */
const CHUNK_ROWS = 16;
const CHUNK_BYTES = 8 << 20;

/** An image still to be fetched from a store. */
export interface RemoteTask {
  readonly index: number;
  readonly name: string;
  readonly address: S3Address;
}

export type RowTask = DecodeTask | RemoteTask;

/**
 * Cuts the rows of a stream into chunks for the decode threads, over the borders of its record batches, and
 * enters each into `rows`. What needs no look at the bytes is rejected here.
 * @throws ProtocolError, SourceError
 */
export async function* rowChunks(
  batches: AsyncIterable<InputBatch>,
  rows: RowQueue,
  maxPixels: number,
): AsyncGenerator<RowTask[]> {
  let tasks: RowTask[] = [];
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
        tasks.push(taskOf(index, origin, content, maxPixels));
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
  maxPixels: number,
): RowTask {
  if (content === null) {
    throw new DecodeError('unreadable', "Expected the image's bytes but found null as content.");
  }
  if (content !== undefined) {
    expectPlausibleSize(content.length, maxPixels);
    // A view of the record batch: the thread gets a copy, so that it is still there for a second try.
    return { index, name, bytes: content, readAgain: async () => content };
  }
  const location = locateOrigin(name);
  if (location.kind === 's3') return { index, name, address: location };
  return { index, name, path: location.path };
}
