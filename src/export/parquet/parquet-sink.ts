import { type RecordBatch, Table, tableToIPC } from 'apache-arrow';
import type { OutputFile, WrittenFile } from '../../storage/output-store.ts';
import { type FeatureColumn, isText } from '../column-names.ts';
import { emptyBatch } from '../features-table.ts';
import { METADATA_KEY, partName, provenanceJson, type Sink, type SinkContext } from '../sink.ts';
import { ParquetEncoder, type ParquetLayout } from './parquet-encoder.ts';

/** Values handed to the encoder at once: what its memory grows by, for any size of a part. */
const SLICE_BYTES = 8 << 20;
/** Values in one row group; the library keeps that many encoded bytes until the group is whole. */
const ROW_GROUP_BYTES = 32 << 20;

let ready: ParquetEncoder | undefined;

/** Starts the encoder of the next sink: its library takes 0.1 s to compile, in a thread of its own. */
export function prepareEncoder(): void {
  ready ??= new ParquetEncoder();
}

/**
 * Parquet: apache-arrow passes batches to parquet-wasm. Lists are standard three-level LISTs.
 *
 * The bytes hold no time, so that they depend on rows and metadata alone. For the same reason the
 * metadata is one entry, `img2features`, a JSON object: the library writes several in random order.
 */
export function openParquetSink({ store, schema, metadata }: SinkContext): Sink {
  const rowBytes = bytesOfRow(schema.columns);
  const layout: ParquetLayout = {
    textColumns: schema.columns.filter(isText).map(({ name }) => name),
    rowGroupRows: Math.max(1, Math.floor(ROW_GROUP_BYTES / rowBytes)),
    metadata: { [METADATA_KEY]: provenanceJson(metadata) },
  };
  const encoder = ready ?? new ParquetEncoder();
  ready = undefined;
  const files: WrittenFile[] = [];
  let file: OutputFile | undefined;
  let isEmpty = true;

  const add = async (rows: RecordBatch) => {
    isEmpty = false;
    await encoder.add(tableToIPC(new Table([rows]), 'stream') as Uint8Array<ArrayBuffer>);
  };

  return {
    async beginPart(index) {
      const begun = await store.create(partName('parquet', index));
      file = begun;
      isEmpty = true;
      encoder.begin(layout, (bytes) => begun.write(bytes));
    },
    async write(batch) {
      const rows = Math.max(1, Math.floor(SLICE_BYTES / rowBytes));
      for (let from = 0; from < batch.numRows; from += rows) {
        await add(batch.slice(from, Math.min(batch.numRows, from + rows)));
      }
    },
    async endPart() {
      // The library cannot make a file of no batches.
      if (isEmpty) await add(emptyBatch(schema));
      await encoder.end();
      files.push(await file!.commit());
      file = undefined;
    },
    async finish() {
      await encoder.close();
      return files;
    },
    async abort() {
      await encoder.close();
      await file?.abort();
      file = undefined;
    },
  };
}

function bytesOfRow(columns: readonly FeatureColumn[]): number {
  const bytes = { origin: 64, target: 16, split: 8, kept: 16, vector: 4, reduced: 8 };
  return columns.reduce((sum, { kind, length }) => sum + bytes[kind] * length, 0);
}
