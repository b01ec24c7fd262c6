/** Arrow columns from plain arrays. */
import { AsyncByteQueue, type Data, makeData, type RecordBatch, Utf8 } from 'apache-arrow';
import type { FeatureColumn } from './column-names.ts';

/** A column of text; undefined is null. Only text is encoded: everything else of a table is a view. */
export function textData(texts: readonly (string | undefined)[]): Data<Utf8> {
  const valueOffsets = new Int32Array(texts.length + 1);
  texts.forEach((text, i) => {
    valueOffsets[i + 1] = valueOffsets[i] + (text === undefined ? 0 : Buffer.byteLength(text));
  });
  const data = Buffer.allocUnsafe(valueOffsets[texts.length]);
  texts.forEach((text, i) => {
    if (text !== undefined) data.write(text, valueOffsets[i]);
  });
  const isNull = (i: number) => texts[i] === undefined;
  return makeData({
    type: new Utf8(),
    length: texts.length,
    valueOffsets,
    data,
    ...nulls(texts.length, isNull),
  });
}

/** Arrow's validity: one bit a row, 1 where there is a value; none where there are no nulls. */
export function nulls(
  rows: number,
  isNull: (row: number) => boolean,
): { nullCount: number; nullBitmap?: Uint8Array } {
  const nullBitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  for (let i = 0; i < rows; i++) {
    if (isNull(i)) nullCount++;
    else nullBitmap[i >> 3] |= 1 << (i & 7);
  }
  return nullCount === 0 ? { nullCount } : { nullCount, nullBitmap };
}

/** The lists of numbers of a column: where each begins and the last ends, and the values as they are stored (float16 as bits). */
export function listCells(batch: RecordBatch, { name }: Pick<FeatureColumn, 'name'>) {
  const { valueOffsets, children } = batch.getChild(name)!.data[0];
  const values: Float32Array | Float64Array | Uint16Array = children[0].values;
  return { offsets: valueOffsets as Int32Array, values };
}

/** What an apache-arrow writer writes, taken at once in place of waiting in its queue: views of the batches' own buffers. */
export class ArrowPieces extends AsyncByteQueue {
  #pieces: Uint8Array[] = [];

  override write(piece: Uint8Array): void {
    this.#pieces.push(piece);
  }

  /** What was written since the last call. */
  take(): Uint8Array[] {
    return this.#pieces.splice(0);
  }
}
