import { type RecordBatch, tableFromIPC } from 'apache-arrow';
import { expectSoundFile } from './arrow-message.ts';
import { checkedBatchRows, expectLists, unreadableTable } from './checked-batch-rows.ts';
import type { CheckedRow } from './checked-rows.ts';

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

export function* featherRows(bytes: Uint8Array, name: string): Generator<CheckedRow> {
  for (const batch of readFeatherBatches(bytes, name)) yield* checkedBatchRows(batch);
}
