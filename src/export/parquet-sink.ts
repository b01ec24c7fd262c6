import { type RecordBatch, Table, tableToIPC } from 'apache-arrow';
import {
  Compression,
  EnabledStatistics,
  transformParquetStream,
  type RecordBatch as WasmBatch,
  Table as WasmTable,
  type WriterProperties,
  WriterPropertiesBuilder,
} from 'parquet-wasm';
import { ExportError } from '../errors.ts';
import type { FeatureColumn } from './column-names.ts';
import { emptyBatch } from './features-table.ts';
import type { OutputFile, WrittenFile } from './output-store.ts';
import { METADATA_KEY, partName, type Sink, type SinkContext } from './sink.ts';

export { METADATA_KEY } from './sink.ts';

/** Values handed to WebAssembly at once: what its memory grows by, whatever a part holds. */
const SLICE_BYTES = 8 << 20;
/** Values in one row group; the library keeps that many encoded bytes until the group is whole. */
const ROW_GROUP_BYTES = 32 << 20;

/**
 * Parquet: apache-arrow hands batches to parquet-wasm, which streams the file back as it goes.
 *
 * Lists are standard three-level LISTs. Snappy, because here it wrote three times as fast as zstd and every reader
 * knows it; no dictionaries: floats gain nothing by one, and parquetjs-lite cannot read those of names.
 * The bytes hold no time, so that they depend on rows and metadata alone. For the same reason the
 * metadata is one entry, `img2features`, a JSON object: the library writes several in random order.
 */
export function openParquetSink({ store, schema, metadata }: SinkContext): Sink {
  const rowBytes = bytesOfRow(schema.columns);
  const files: WrittenFile[] = [];
  let part: Part | undefined;
  return {
    async beginPart(index) {
      const file = await store.create(partName('parquet', index));
      part = new Part(file, writerProperties(schema.columns, rowBytes, metadata));
    },
    async write(batch) {
      const rows = Math.max(1, Math.floor(SLICE_BYTES / rowBytes));
      for (let from = 0; from < batch.numRows; from += rows) {
        await part!.write(batch.slice(from, Math.min(batch.numRows, from + rows)));
      }
    },
    async endPart() {
      if (part!.isEmpty) await part!.write(emptyBatch(schema));
      files.push(await part!.end());
      part = undefined;
    },
    async finish() {
      return files;
    },
    async abort() {
      await part?.abort();
      part = undefined;
    },
  };
}

function provenanceJson(metadata: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(metadata).sort()));
}

/** One file: batches go in at one end of a stream, bytes come out at the other. */
class Part {
  readonly #file: OutputFile;
  readonly #batches: WritableStreamDefaultWriter<WasmBatch>;
  readonly #done: Promise<void>;
  /** Nothing was written yet; the library cannot make a file of no batches. */
  isEmpty = true;

  constructor(file: OutputFile, properties: WriterProperties) {
    this.#file = file;
    const { readable, writable } = new TransformStream<WasmBatch>();
    this.#batches = writable.getWriter();
    this.#done = this.#drain(readable, properties);
    // A failure is met by whoever awaits next; until then it is not an unhandled rejection.
    this.#done.catch(() => undefined);
    this.#batches.closed.catch(() => undefined);
  }

  async write(batch: RecordBatch): Promise<void> {
    this.isEmpty = false;
    const table = WasmTable.fromIPCStream(tableToIPC(new Table([batch]), 'stream'));
    const rows = table.recordBatch(0);
    table.free();
    if (rows === undefined) return;
    const failed = this.#done.then(() => undefined);
    await Promise.race([this.#batches.write(rows).catch(() => failed), failed]);
  }

  async end(): Promise<WrittenFile> {
    await Promise.race([this.#batches.close().catch(() => this.#done), this.#done]);
    await this.#done;
    return this.#file.commit();
  }

  async abort(): Promise<void> {
    await this.#batches.abort().catch(() => undefined);
    await this.#done.catch(() => undefined);
    await this.#file.abort();
  }

  async #drain(batches: ReadableStream<WasmBatch>, properties: WriterProperties): Promise<void> {
    try {
      const bytes = await transformParquetStream(batches, properties);
      for await (const chunk of bytes as unknown as AsyncIterable<Uint8Array>) {
        await this.#file.write(chunk);
      }
    } catch (error) {
      if (error instanceof ExportError) throw error;
      throw new ExportError(`Expected to encode Parquet but found: ${String(error)}.`, {
        cause: error,
      });
    }
  }
}

function writerProperties(
  columns: readonly FeatureColumn[],
  rowBytes: number,
  metadata: Readonly<Record<string, string>>,
): WriterProperties {
  let builder = new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setDictionaryEnabled(false)
    .setStatisticsEnabled(EnabledStatistics.None)
    .setMaxRowGroupSize(Math.max(1, Math.floor(ROW_GROUP_BYTES / rowBytes)))
    .setKeyValueMetadata(new Map([[METADATA_KEY, provenanceJson(metadata)]]));
  // Names of one part reach the library's columns; those of list items do not, hence the defaults above.
  for (const { name, kind } of columns) {
    if (kind === 'origin' || kind === 'target') {
      builder = builder.setColumnStatisticsEnabled(name, EnabledStatistics.Chunk);
    }
  }
  return builder.build();
}

function bytesOfRow(columns: readonly FeatureColumn[]): number {
  const bytes = { origin: 64, target: 16, vector: 4, reduced: 8 };
  return columns.reduce((sum, { kind, length }) => sum + bytes[kind] * length, 0);
}
