import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { RecordBatchStreamWriter } from 'apache-arrow';
import { ArrowPieces } from '../export/arrow-pieces.ts';
import { type AnswerSchema, answerBatch } from './answer-batch.ts';
import type { RowQueue } from './row-queue.ts';

/** Rows in one record batch of the answer, and bytes that one may have; rows that are ready are sent at once, without waiting for more. */
const BATCH_ROWS = 1024;
const BATCH_BYTES = 8 << 20;

/** Writes one Arrow IPC stream: the answer to one input stream. */
export class AnswerStream {
  readonly #output: Writable;
  readonly #schema: AnswerSchema;
  readonly #signal: AbortSignal;
  readonly #encoder = new Encoder();
  readonly #batchRows: number;
  #sent = 0;

  constructor(output: Writable, schema: AnswerSchema, signal: AbortSignal) {
    this.#output = output;
    this.#schema = schema;
    this.#signal = signal;
    const rowBytes = schema.vectors.reduce((sum, { length }) => sum + 4 * length, 0);
    this.#batchRows = Math.max(1, Math.min(BATCH_ROWS, Math.floor(BATCH_BYTES / rowBytes)));
  }

  /** Rows written. */
  get sent(): number {
    return this.#sent;
  }

  async start(): Promise<void> {
    await this.#write(this.#encoder.schema(this.#schema));
  }

  /** Writes every row that can leave now, and waits while the reader is behind. */
  async writeSettled(rows: RowQueue): Promise<void> {
    for (;;) {
      // Taken and written without an await in between: two callers cannot change the order.
      const taken = rows.take(this.#batchRows);
      if (taken.length === 0) return;
      this.#sent += taken.length;
      await this.#write(this.#encoder.batch(answerBatch(this.#schema, taken)));
    }
  }

  async end(): Promise<void> {
    await this.#write(this.#encoder.end());
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#output.write(bytes)) return;
    await once(this.#output, 'drain', { signal: this.#signal }).catch((error) => {
      this.#signal.throwIfAborted();
      throw error;
    });
  }
}

/** apache-arrow's writer, message by message. */
class Encoder extends RecordBatchStreamWriter {
  readonly #pieces = new ArrowPieces();

  schema({ arrow }: AnswerSchema): Uint8Array {
    this.reset(this.#pieces, arrow);
    return Buffer.concat(this.#pieces.take());
  }

  batch(batch: Parameters<RecordBatchStreamWriter['write']>[0]): Uint8Array {
    this.write(batch);
    return Buffer.concat(this.#pieces.take());
  }

  end(): Uint8Array {
    this.finish();
    return Buffer.concat(this.#pieces.take());
  }
}
