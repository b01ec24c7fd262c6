import { type RecordBatch, tableFromIPC } from 'apache-arrow';
import { expectSoundFile } from '../arrow-message.ts';
import { arrowTableBatch, expectLists, unreadableTable } from '../arrow-table.ts';
import type { ReadTable, TableBatch } from '../table-batch.ts';

/** The record batches of one Arrow IPC file of a run. @throws RunError for bytes that are no such file */
export function* readFeatherBatches(bytes: Uint8Array, name: string): Generator<RecordBatch> {
  try {
    expectSoundFile(bytes);
    for (const batch of tableFromIPC(bytes).batches) {
      expectLists(batch);
      yield batch;
    }
  } catch (cause) {
    throw unreadableTable('an Arrow file', name, cause);
  }
}

/** See ReadTable. */
export async function* readFeatherTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  for (const batch of readFeatherBatches(await files.whole(name), name)) {
    if (batch.numRows > 0) yield arrowTableBatch(batch, columns);
  }
}
