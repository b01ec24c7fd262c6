import type { Message, Schema } from 'apache-arrow';
import {
  DamagedArrow,
  decodeArrowMessage,
  type RecordBatchMetadata,
} from '../export/arrow-message.ts';
import type { ByteReader } from '../storage/byte-streams.ts';
import { type InputBatch, readInputBatch, readInputSchema } from './input-batch.ts';
import { ProtocolError } from './protocol.ts';

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

/*
 * The encapsulated message of the Arrow IPC streaming format (Columnar format, "Encapsulated message format"):
 *
 *     0xFFFFFFFF | int32 length of metadata | metadata (flatbuffer, padded) | body
 *
 * A length of 0 is the end of the stream. We cut the messages ourselves, because apache-arrow's reader takes the end
 * of the input for the end of a stream, and a peer that died in the middle must not look like one that finished.
 */

const CONTINUATION = 0xffffffff;
const MAX_METADATA_BYTES = 16 << 20;

interface IpcMessage {
  readonly message: Message;
  /** Its own buffer. */
  readonly body: Uint8Array;
}

/**
 * @returns `end` for the mark that ends a stream, undefined where the input ends before a message
 * @throws ProtocolError when the bytes are no message or end inside one
 */
async function readMessage(bytes: ByteReader): Promise<IpcMessage | 'end' | undefined> {
  const prefix = new Uint8Array(8);
  const got = await bytes.fill(prefix);
  if (got === 0) return undefined;
  const view = new DataView(prefix.buffer);
  if (view.getUint32(0, true) !== CONTINUATION) throw notArrow(prefix.subarray(0, got));
  if (got < 8) throw brokenOff('the head of a message', 8, got);
  const length = view.getInt32(4, true);
  if (length === 0) return 'end';
  if (length < 0 || length > MAX_METADATA_BYTES) {
    throw new ProtocolError(`Expected the metadata of an Arrow message but found ${length} bytes.`);
  }
  const metadata = await readExactly(bytes, length, 'the metadata of a message');
  const message = decode(metadata);
  const body = await readExactly(bytes, message.bodyLength, 'the body of a message');
  return { message, body };
}

async function readExactly(bytes: ByteReader, length: number, what: string): Promise<Uint8Array> {
  const target = allocate(length);
  const got = await bytes.fill(target);
  if (got < length) throw brokenOff(what, length, got);
  return target;
}

function allocate(length: number): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new ProtocolError(
      `Expected a record batch that fits in memory but found one of ${length} bytes.`,
      { fix: 'Send smaller record batches.', cause },
    );
  }
}

function decode(metadata: Uint8Array): Message {
  try {
    return decodeArrowMessage(metadata);
  } catch (cause) {
    if (!(cause instanceof DamagedArrow)) throw cause;
    throw new ProtocolError(
      `Expected an Arrow message but its metadata does not parse (${cause.message}).`,
      { cause },
    );
  }
}

function notArrow(found: Uint8Array): ProtocolError {
  const text = Buffer.from(found).toString('latin1');
  const shown = text.startsWith('ARROW1')
    ? 'an Arrow file'
    : JSON.stringify(text.replace(/[^\x20-\x7e]/g, '.'));
  return new ProtocolError(`Expected an Arrow IPC stream on stdin but found ${shown}.`, {
    fix: 'Write it with pyarrow.ipc.new_stream (not new_file), and nothing else to that pipe.',
  });
}

function brokenOff(what: string, expected: number, got: number): ProtocolError {
  return new ProtocolError(
    `Expected ${expected} bytes for ${what} on stdin but found the end after ${got}: the stream was cut.`,
  );
}
