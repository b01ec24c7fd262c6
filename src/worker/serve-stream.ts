import { RunError } from '../errors.ts';
import type { DecodedChunk, DecodeTask } from '../image/decoded-chunk.ts';
import type { DecodePool } from '../image/pool/decode-pool.ts';
import type { Extractor } from '../pipeline/extractor/extractor.ts';
import type { ChunkRange } from '../pipeline/stream/decode-entries.ts';
import { runBatches, type VectorForm } from '../pipeline/stream/run-batches.ts';
import { type FetchedChunk, fetchAhead } from '../source/decode-tasks.ts';
import type { AnswerStream } from './answer.ts';
import type { InputBatch } from './input-batch.ts';
import type { StreamEvent } from './protocol.ts';
import { type RowChunksOptions, rowChunks } from './row-chunks.ts';
import { RowQueue } from './row-queue.ts';

export interface ServeContext extends RowChunksOptions {
  readonly pool: DecodePool;
  readonly extractor: Extractor;
  readonly form: VectorForm;
}

/**
 * Answers one input stream: rows -> chunks -> decode -> batches -> network -> rows, in the order they came.
 * The stream is to the network what a shard is in `extract`: the same rows make the same batches.
 *
 * In memory at once: one record batch of the input, the chunks in flight through the pool, `inFlight` + 1
 * batches, what is fetched ahead from a store, and one record batch of the answer.
 */
export async function serveStream(
  batches: AsyncIterable<InputBatch>,
  answer: AnswerStream,
  context: ServeContext,
): Promise<StreamEvent> {
  const { pool, extractor, form, signal } = context;
  const rows = new RowQueue();
  await answer.start();
  const fetched = fetchAhead(rowChunks(batches, rows, context), context);
  const { tasks, ranges } = withEnd(fetched, rows);
  const decoded = settleRejections(pool.decode(tasks, signal), rows, answer);
  const originOf = (position: number) => rows.originOf(position);
  for await (const { batch, outputs } of runBatches(decoded, ranges, extractor, form, originOf)) {
    signal.throwIfAborted();
    batch.indices.forEach((position, i) => {
      const vectors = outputs.map((values, o) => {
        const { length } = extractor.outputs[o];
        return values.slice(i * length, (i + 1) * length);
      });
      rows.accept(position, vectors);
    });
    await answer.writeSettled(rows);
  }
  const { received, rejected } = rows;
  if (answer.sent !== received) {
    throw new RunError(
      `Expected an answer to each of ${received} rows but found ${answer.sent}; rows would be mixed up.`,
    );
  }
  await answer.end();
  return { event: 'stream', received, sent: answer.sent, rejected };
}

/**
 * That a chunk was the last is known only when the stream ends: an empty one follows it and closes the last batch.
 * `ranges` gives what packBatches needs of each chunk, in the same order.
 */
function withEnd(chunks: AsyncIterable<FetchedChunk>, rows: RowQueue) {
  const announced: Pick<ChunkRange, 'shard' | 'isLastOfShard'>[] = [];
  async function* tasks(): AsyncGenerator<readonly DecodeTask[]> {
    for await (const { tasks, rejections } of chunks) {
      for (const { index, reason, message } of rejections) rows.reject(index, reason, message);
      announced.push({ shard: 0, isLastOfShard: false });
      yield tasks;
    }
    announced.push({ shard: 0, isLastOfShard: true });
    yield [];
  }
  function* ranges() {
    while (announced.length > 0) yield announced.shift()!;
  }
  return { tasks: tasks(), ranges: ranges() };
}

/** Rejections need not wait for a batch to fill: they are answered at once and leave in their order. */
async function* settleRejections(
  chunks: AsyncIterable<DecodedChunk>,
  rows: RowQueue,
  answer: AnswerStream,
): AsyncGenerator<DecodedChunk> {
  for await (const chunk of chunks) {
    for (const { index, reason, message } of chunk.rejections) rows.reject(index, reason, message);
    if (chunk.indices.length === 0) await answer.writeSettled(rows);
    yield chunk.rejections.length === 0 ? chunk : { ...chunk, rejections: [] };
  }
}
