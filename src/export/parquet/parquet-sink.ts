import { type RecordBatch, Table, tableToIPC } from 'apache-arrow';
import type { OutputFile, WrittenFile } from '../../storage/output-store.ts';
import { type FeatureColumn, isText, VALUE_BYTES } from '../column-names.ts';
import { type FeatureSchema, madeUpBatch } from '../features-table.ts';
import { METADATA_KEY, partName, provenanceJson, type Sink, type SinkContext } from '../sink.ts';
import { ParquetEncoder, type ParquetLayout } from './parquet-encoder.ts';

/** Values handed to the encoder at once: what its memory grows by, for any size of a part. */
const SLICE_BYTES = 8 << 20;
/** Values in one row group; the library keeps that many encoded bytes until the group is whole. */
const ROW_GROUP_BYTES = 32 << 20;

/** Of a table from this size on the encoder is worth the time that it takes to warm up ... */
const WARM_TABLE_BYTES = 32 << 20;
/** ... with so many bytes: V8 compiles WebAssembly function by function, the busy ones twice. */
const WARM_UP_BYTES = 8 << 20;

interface Prepared {
  readonly encoder: ParquetEncoder;
  /** Resolves when the encoder may be given a file. */
  readonly isIdle: Promise<void>;
}

let prepared: Prepared | undefined;

/**
 * Starts the encoder of the next sink in its thread, and where many rows will come has it encode a made-up table: its
 * first megabytes take four times as long as later ones.
 */
export function prepareEncoder(schema?: FeatureSchema, rows = 0): void {
  if (prepared !== undefined) return;
  const encoder = new ParquetEncoder();
  const isWorth = schema && rows * bytesOfRow(schema.columns) >= WARM_TABLE_BYTES;
  const isIdle = isWorth ? warmUp(encoder, schema) : Promise.resolve();
  isIdle.catch(() => {}); // a sink's first call throws it
  prepared = { encoder, isIdle };
}

async function warmUp(encoder: ParquetEncoder, schema: FeatureSchema): Promise<void> {
  const rows = Math.ceil(WARM_UP_BYTES / bytesOfRow(schema.columns));
  encoder.begin(layoutOf(schema, {}), async () => {});
  await encoder.add(ipcOf(madeUpBatch(schema, rows)));
  await encoder.end();
}

/**
 * Parquet: apache-arrow passes batches to parquet-wasm. Lists are standard three-level LISTs.
 *
 * The bytes hold no time, so that they depend on rows and metadata alone. For the same reason the
 * metadata is one entry, `img2features`, a JSON object: the library writes several in random order.
 */
export function openParquetSink({ store, schema, metadata }: SinkContext): Sink {
  const rowBytes = bytesOfRow(schema.columns);
  const layout = layoutOf(schema, { [METADATA_KEY]: provenanceJson(metadata) });
  prepareEncoder();
  const { encoder, isIdle } = prepared!;
  prepared = undefined;
  const files: WrittenFile[] = [];
  let file: OutputFile | undefined;
  let isEmpty = true;

  const add = async (rows: RecordBatch) => {
    isEmpty = false;
    await encoder.add(ipcOf(rows));
  };

  return {
    async beginPart(index) {
      const begun = await store.create(partName('parquet', index));
      file = begun;
      isEmpty = true;
      await isIdle;
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
      if (isEmpty) await add(madeUpBatch(schema, 0));
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

function layoutOf({ columns }: FeatureSchema, metadata: ParquetLayout['metadata']): ParquetLayout {
  return {
    textColumns: columns.filter(isText).map(({ name }) => name),
    rowGroupRows: Math.max(1, Math.floor(ROW_GROUP_BYTES / bytesOfRow(columns))),
    metadata,
  };
}

function ipcOf(rows: RecordBatch): Uint8Array<ArrayBuffer> {
  return tableToIPC(new Table([rows]), 'stream') as Uint8Array<ArrayBuffer>;
}

function bytesOfRow(columns: readonly FeatureColumn[]): number {
  const texts: Partial<Record<FeatureColumn['kind'], number>> = { origin: 64, split: 8 };
  return columns.reduce((sum, { kind, type, length }) => {
    return sum + (type === 'utf8' ? (texts[kind] ?? 16) : VALUE_BYTES[type]) * length;
  }, 0);
}
