import { parentPort } from 'node:worker_threads';
import {
  Compression,
  EnabledStatistics,
  type RecordBatch,
  Table,
  transformParquetStream,
  type WriterProperties,
  WriterPropertiesBuilder,
  wasmMemory,
} from 'parquet-wasm';
import { type EncodeReply, type EncodeRequest, ownBuffer } from '../encoder.ts';
import type { ParquetLayout } from './parquet-encoder.ts';

// The entry of the thread that encodes Parquet: parquet-wasm takes batches as Arrow IPC and streams the file back
// as it goes.
const port = parentPort;
if (port === null) throw new Error('Expected to run as a worker thread.');

/** One file: batches go in at one end of a stream, bytes come out at the other. */
class FileEncoder {
  readonly #batches: WritableStreamDefaultWriter<RecordBatch>;
  readonly #done: Promise<void>;

  constructor(layout: ParquetLayout) {
    const { readable, writable } = new TransformStream<RecordBatch>();
    this.#batches = writable.getWriter();
    this.#done = sendBytes(readable, writerProperties(layout));
    // The next await throws a failure; until then it is not an unhandled rejection.
    this.#done.catch(() => undefined);
    this.#batches.closed.catch(() => undefined);
  }

  async add(ipc: Uint8Array): Promise<void> {
    const table = Table.fromIPCStream(ipc);
    const rows = table.recordBatch(0);
    table.free();
    if (rows === undefined) return;
    const failed = this.#done.then(() => undefined);
    await Promise.race([this.#batches.write(rows).catch(() => failed), failed]);
  }

  async end(): Promise<void> {
    await Promise.race([this.#batches.close().catch(() => this.#done), this.#done]);
    await this.#done;
  }
}

async function sendBytes(
  batches: ReadableStream<RecordBatch>,
  properties: WriterProperties,
): Promise<void> {
  const chunks = await transformParquetStream(batches, properties);
  for await (const bytes of chunks as unknown as AsyncIterable<Uint8Array<ArrayBuffer>>) {
    reply({ kind: 'bytes', bytes }, ownBuffer(bytes));
  }
}

/**
 * Snappy, because here it wrote three times as fast as zstd and every reader knows it; no dictionaries: floats gain
 * nothing by one, and parquetjs-lite cannot read those of names.
 */
function writerProperties({ textColumns, rowGroupRows, metadata }: ParquetLayout) {
  let builder = new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setDictionaryEnabled(false)
    .setStatisticsEnabled(EnabledStatistics.None)
    .setMaxRowGroupSize(rowGroupRows)
    .setKeyValueMetadata(new Map(Object.entries(metadata)));
  // Names of one part reach the library's columns; those of list items do not, which is why the defaults above exist.
  for (const name of textColumns) {
    builder = builder.setColumnStatisticsEnabled(name, EnabledStatistics.Chunk);
  }
  return builder.build();
}

let file: FileEncoder | undefined;
let queue = Promise.resolve();

port.on('message', (request: EncodeRequest<ParquetLayout, Uint8Array>) => {
  queue = queue
    .then(() => handle(request))
    .catch((error) => {
      reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    });
});

async function handle(request: EncodeRequest<ParquetLayout, Uint8Array>): Promise<void> {
  switch (request.kind) {
    case 'begin':
      file = new FileEncoder(request.layout);
      return;
    case 'batch':
      await file!.add(request.batch);
      return reply({ kind: 'taken' });
    case 'end':
      await file!.end();
      return reply({ kind: 'ended', memoryBytes: wasmMemory().buffer.byteLength });
  }
}

function reply(message: EncodeReply, transfer: ArrayBuffer[] = []): void {
  port!.postMessage(message, transfer);
}
