import type { Readable, Writable } from 'node:stream';
import { Closers } from '../closers.ts';
import { isImg2FeaturesError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import { featureColumns } from '../export/column-names.ts';
import { DecodePool } from '../image/pool/decode-pool.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { decodeOptions, type Extractor } from '../pipeline/extractor/extractor.ts';
import { openExtractor } from '../pipeline/extractor/open-extractor.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import { ByteReader } from '../storage/byte-streams.ts';
import { answerError } from '../storage/storage-error.ts';
import { type AnswerSchema, AnswerStream, answerSchema, describeAnswer } from './answer.ts';
import { BrokenPipe, type ReadyEvent, type WorkerEvent } from './protocol.ts';
import { RemoteReader } from './read-origin.ts';
import { openRows } from './read-rows.ts';
import { serveStream } from './serve-stream.ts';

export interface ServeOptions {
  readonly options: ExtractOptions;
  readonly input: Readable;
  readonly output: Writable;
  /** See DecodeJournal; undefined = none. */
  readonly journalDir: string | undefined;
  /** Ended by the caller; its reason is what `serve` throws then. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: WorkerEvent) => void;
}

/**
 * THE WORKER: answers one Arrow stream after the other until the input ends.
 * @throws ProtocolError for an input that is none; BrokenPipe when nobody reads the answer any more;
 *   what `extract` throws when the engine or a store fails
 */
export async function serve({ options, output, journalDir, ...serving }: ServeOptions) {
  const { input, onEvent } = serving;
  // A failure of one part ends all the others at once: the engine in a batch, a thread, a wait for bytes.
  const stop = new AbortController();
  const signal = AbortSignal.any([serving.signal, stop.signal]);
  const fail = (error: unknown) => stop.abort(error);
  signal.addEventListener('abort', () => input.destroy(), { once: true });
  output.on('error', (error: NodeJS.ErrnoException) => fail(brokenPipeOr(error)));
  const closers = new Closers();
  try {
    const extractor = await openExtractor(options, { signal, onEvent: passOn(onEvent) });
    closers.add(() => extractor.close());
    const schema = answerSchema(featureColumns(options.mode, extractor.outputs, 0));
    const decoding = decodeOptions(options, extractor);
    const pool = new DecodePool(decoding, options.workers, {
      imageTimeoutMs: options.imageTimeout * 1000,
      ...(journalDir !== undefined && { journalDir }),
    });
    closers.add(() => pool.close());
    const remote = new RemoteReader(s3OptionsOf(options), decoding.maxPixels);
    closers.add(() => remote.close());
    const context = {
      pool,
      extractor,
      form: options,
      readRemote: remote.read.bind(remote),
      maxPixels: decoding.maxPixels,
      signal,
    };
    onEvent(readyEvent(options, extractor, schema));
    const bytes = new ByteReader(failing(input, fail));
    for (;;) {
      const batches = await openRows(bytes);
      if (batches === undefined) break;
      onEvent(
        await serveStream(
          failing(batches, fail),
          new AnswerStream(output, schema, signal),
          context,
        ),
      );
    }
    await flushed(output, signal);
  } catch (error) {
    fail(error);
    throw signal.reason;
  } finally {
    await closers.close();
  }
}

/** Passes items on; an error in them ends all parts. */
async function* failing<T>(items: AsyncIterable<T>, fail: (error: unknown) => void) {
  try {
    yield* items;
  } catch (error) {
    fail(error);
    throw error;
  }
}

/** Waits until the reader has taken the last bytes. */
function flushed(output: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    output.write('', (error) => {
      signal.removeEventListener('abort', onAbort);
      if (error) reject(brokenPipeOr(error));
      else resolve();
    });
  });
}

function brokenPipeOr(error: NodeJS.ErrnoException): Error {
  if (isImg2FeaturesError(error)) return error;
  return error.code === 'EPIPE' || error.code === 'ECONNRESET'
    ? new BrokenPipe()
    : answerError(error);
}

/** Passes on those of a run's events that a worker's peer can use. */
function passOn(onEvent: (event: WorkerEvent) => void): (event: RunEvent) => void {
  return (event) => {
    if (event.event === 'note' || event.event === 'warning') onEvent(event);
  };
}

function readyEvent(
  options: ExtractOptions,
  { engine, model, outputs, batchSize }: Extractor,
  schema: AnswerSchema,
): ReadyEvent {
  return {
    event: 'ready',
    ...describeAnswer(options.mode, schema, outputs, model),
    pid: process.pid,
    device: engine?.device ?? 'cpu',
    ...(engine !== undefined && {
      deviceReason: engine.deviceReason,
      deviceName: engine.deviceName,
      library: engine.library,
      engine: engine.engine,
      precision: options.precision,
    }),
    batch: batchSize,
    workers: options.workers,
  };
}
