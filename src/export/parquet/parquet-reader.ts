import { type RecordBatch, tableFromIPC } from 'apache-arrow';
import { readParquet, type Table } from 'parquet-wasm';
import { arrowTableBatch, expectLists, unreadableTable } from '../arrow-table.ts';
import type { ReadTable, TableBatch } from '../table-batch.ts';

/** Rows that leave WebAssembly at once. */
const BATCH_ROWS = 1024;

/**
 * The Arrow record batches of one Parquet file of a run. Give only bytes whose hash is known: the decoder takes what
 * a file says of its own sizes for true.
 * @throws RunError for bytes that are no such file
 */
export function* readParquetBatches(bytes: Uint8Array, name: string): Generator<RecordBatch> {
  let table: Table | undefined;
  try {
    table = readParquet(bytes, { batchSize: BATCH_ROWS });
    for (let i = 0; i < table.numBatches; i++) {
      for (const batch of tableFromIPC(table.recordBatch(i)!.intoIPCStream()).batches) {
        expectLists(batch);
        yield batch;
      }
    }
  } catch (cause) {
    throw unreadableTable('a Parquet file', name, cause);
  } finally {
    table?.free();
  }
}

/** See ReadTable. */
export async function* readParquetTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  for (const batch of readParquetBatches(await files.whole(name), name)) {
    if (batch.numRows > 0) yield arrowTableBatch(batch, columns);
  }
}
