import { type RecordBatch, tableFromIPC } from 'apache-arrow';
import type { OutputStore } from '../storage/output-store.ts';
import { readWhole } from '../storage/whole-file.ts';
import { checkedBatchRows } from './checked-batch-rows.ts';
import type { CheckedRow } from './checked-rows.ts';

/** Reads the record batches of one Arrow IPC file of a run; the file is held in memory whole. */
export async function* readFeatherBatches(
  store: OutputStore,
  name: string,
): AsyncGenerator<RecordBatch> {
  yield* tableFromIPC(await readWhole(store, name)).batches;
}

export async function* featherRows(store: OutputStore, name: string): AsyncGenerator<CheckedRow> {
  for await (const batch of readFeatherBatches(store, name)) yield* checkedBatchRows(batch);
}
