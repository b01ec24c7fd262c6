import type { Message, Schema } from 'apache-arrow';
import type { ByteReader } from '../storage/byte-reader.ts';
import { type InputBatch, type RecordBatchMetadata, readInputBatch } from './input-batch.ts';
import { readInputSchema } from './input-schema.ts';
import { readMessage } from './read-message.ts';
import { ProtocolError } from './worker-errors.ts';

/**
 * The record batches of the next stream; one at a time in memory, each read when it is asked for.
 * @returns undefined where the input ends instead
 * @throws ProtocolError, also from the batches
 */
export async function openRows(
  bytes: ByteReader,
): Promise<AsyncGenerator<InputBatch, void> | undefined> {
  const first = await readMessage(bytes);
  if (first === undefined) return undefined;
  if (first === 'end' || !first.message.isSchema()) {
    throw new ProtocolError(
      'Expected a stream to start with its schema but found another message.',
    );
  }
  const schema = readInputSchema(headerOf<Schema>(first.message));
  return batches();

  async function* batches(): AsyncGenerator<InputBatch, void> {
    for (;;) {
      const next = await readMessage(bytes);
      if (next === 'end') return;
      if (next === undefined) {
        throw new ProtocolError(
          'Expected the mark that ends a stream but found the end of stdin: the stream was cut.',
          { fix: 'Close the stream writer before the pipe.' },
        );
      }
      if (!next.message.isRecordBatch()) {
        throw new ProtocolError('Expected a record batch but found another message in the stream.');
      }
      yield readInputBatch(schema, headerOf<RecordBatchMetadata>(next.message), next.body);
    }
  }
}

/** apache-arrow's own type of this depends on a type parameter that a decoded message does not have. */
function headerOf<T>(message: Message): T {
  return message.header() as T;
}
