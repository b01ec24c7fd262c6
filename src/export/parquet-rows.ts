import { type RecordBatch, tableFromIPC } from 'apache-arrow';
import { readParquet } from 'parquet-wasm';
import type { CheckedRow } from './checked-rows.ts';
import type { OutputStore } from './output-store.ts';

/** Rows that leave WebAssembly at once. */
const BATCH_ROWS = 1024;

/** Reads the Arrow record batches of one Parquet file of a run; the file is held in memory whole. */
export async function* readParquetBatches(
  store: OutputStore,
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
  for await (const batch of readParquetBatches(store, name)) {
    const origins = batch.getChild('origin');
    const lists = batch.schema.fields
      .filter((field) => field.name !== 'origin' && field.name !== 'target')
      .map((field) => ({ name: field.name, data: batch.getChild(field.name)!.data[0] }));
    for (let row = 0; row < batch.numRows; row++) {
      const bad = lists.find(({ data }) => !isFiniteList(data, row));
      const fault = bad && `${bad.name} holds something that is not a finite number`;
      yield { origin: origins?.get(row) as string | undefined, fault };
    }
  }
}

function isFiniteList(
  data: { valueOffsets: Int32Array; children: readonly { values: Float32Array | Float64Array }[] },
  row: number,
): boolean {
  const { values } = data.children[0];
  let sum = 0;
  for (let i = data.valueOffsets[row]; i < data.valueOffsets[row + 1]; i++) sum += values[i] * 0;
  return sum === 0;
}
