import { tableFromIPC } from 'apache-arrow';
import { checkedBatchRows } from './checked-batch-rows.ts';
import type { CheckedRow } from './checked-rows.ts';
import type { OutputStore } from './output-store.ts';
import { readWhole } from './whole-file.ts';

/** Reads one Arrow IPC file of a run; the file is held in memory whole. */
export async function* featherRows(store: OutputStore, name: string): AsyncGenerator<CheckedRow> {
  for (const batch of tableFromIPC(await readWhole(store, name)).batches) {
    yield* checkedBatchRows(batch);
  }
}
