import type { RecordBatch } from 'apache-arrow';
import type { CheckedRow } from './checked-rows.ts';

/** The rows of one record batch of a table. */
export function* checkedBatchRows(batch: RecordBatch): Generator<CheckedRow> {
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

function isFiniteList(
  data: { valueOffsets: Int32Array; children: readonly { values: Float32Array | Float64Array }[] },
  row: number,
): boolean {
  const { values } = data.children[0];
  let sum = 0;
  for (let i = data.valueOffsets[row]; i < data.valueOffsets[row + 1]; i++) sum += values[i] * 0;
  return sum === 0;
}
