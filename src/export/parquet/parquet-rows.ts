import { type RecordBatch, tableFromIPC } from 'apache-arrow';
import { readParquet } from 'parquet-wasm';
import type { OutputStore } from '../../storage/output-store.ts';
import { checkedBatchRows } from '../checked-batch-rows.ts';
import type { CheckedRow } from '../checked-rows.ts';

/** Rows that leave WebAssembly at once. */
const BATCH_ROWS = 1024;

/** Reads the Arrow record batches of one Parquet file of a run; the file is held in memory whole. */
export async function* readParquetBatches(
  store: Pick<OutputStore, 'read'>,
  name: string,
): AsyncGenerator<RecordBatch> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(name)) chunks.push(chunk);
  const table = readParquet(Buffer.concat(chunks), { batchSize: BATCH_ROWS });
  try {
    for (let i = 0; i < table.numBatches; i++) {
      yield* tableFromIPC(table.recordBatch(i)!.intoIPCStream()).batches;
    }
  } finally {
    table.free();
  }
}

export async function* parquetRows(store: OutputStore, name: string): AsyncGenerator<CheckedRow> {
  for await (const batch of readParquetBatches(store, name)) yield* checkedBatchRows(batch);
}
