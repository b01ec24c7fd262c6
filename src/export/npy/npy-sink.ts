import type { RecordBatch, Vector } from 'apache-arrow';
import { RunError } from '../../errors.ts';
import { npyHeader } from '../../reduce/npy.ts';
import type { OutputFile, WrittenFile } from '../../storage/output-store.ts';
import type { FeatureColumn } from '../column-names.ts';
import type { Sink, SinkContext } from '../sink.ts';
import { TextBuffer } from '../text-buffer.ts';

/** Names of the rows, in the order of the matrices' rows. */
export const NPY_INDEX = 'npy/index.jsonl';

/**
 * NumPy: one matrix for each feature column and all parts, `npy/<column>.npy` (vectors float32 [n, d], reduced
 * vectors float64 [n, k]), which `numpy.load` can map into memory; beside them `npy/index.jsonl` with each
 * row's origin and target. A matrix of text would be as wide as the longest name, and known only at the end.
 *
 * The header holds the number of rows, and files are written once from start to end: so it must be known before.
 */
export async function openNpySink({ store, schema, rows }: SinkContext): Promise<Sink> {
  if (rows === undefined) {
    throw new RunError('Expected the number of rows before a NumPy file is begun but found none.');
  }
  const { columns } = schema;
  const names = columns.filter(({ kind }) => kind === 'origin' || kind === 'target');
  const numeric = columns.filter(({ kind }) => kind === 'vector' || kind === 'reduced');
  const files: OutputFile[] = [];
  const text = new TextBuffer();
  let written = 0;
  const create = async (name: string): Promise<OutputFile> => {
    const file = await store.create(name);
    files.push(file);
    return file;
  };
  const abort = async (): Promise<void> => {
    for (const file of files) await file.abort();
  };
  let index: OutputFile | undefined;
  const matrices: { readonly column: FeatureColumn; readonly file: OutputFile }[] = [];
  try {
    if (names.length > 0) index = await create(NPY_INDEX);
    for (const column of numeric) {
      const file = await create(`npy/${npyFileName(column.name)}`);
      const descr = column.kind === 'vector' ? '<f4' : '<f8';
      await file.write(npyHeader(descr, [rows, column.length]));
      matrices.push({ column, file });
    }
  } catch (error) {
    await abort();
    throw error;
  }

  return {
    async beginPart() {},
    async write(batch) {
      written += batch.numRows;
      for (const { column, file } of matrices) await file.write(valueBytes(batch, column));
      if (index === undefined) return;
      const cells = names.map(({ name }) => ({ name, vector: batch.getChild(name) as Vector }));
      for (let row = 0; row < batch.numRows; row++) {
        const entries = cells.map(({ name, vector }) => [name, vector.get(row)] as const);
        text.utf8(`${JSON.stringify(Object.fromEntries(entries))}\n`);
        if (text.isFull) await text.flushTo(index);
      }
    },
    async endPart() {},
    async finish() {
      if (written !== rows) {
        throw new RunError(`Expected ${rows} rows in the NumPy files but found ${written}.`);
      }
      if (index !== undefined) await text.flushTo(index);
      const done: WrittenFile[] = [];
      for (const file of files) done.push(await file.commit());
      return done;
    },
    abort,
  };
}

/** Layers may have names that no file can have. */
export function npyFileName(column: string): string {
  return `${column.replace(/[^A-Za-z0-9._-]/g, '_')}.npy`;
}

/** float32 or float64 [n, length], as they are in the batch. */
function valueBytes(batch: RecordBatch, column: FeatureColumn): Uint8Array {
  const data = batch.getChild(column.name)!.data[0];
  const values: Float32Array | Float64Array = data.children[0].values;
  const offsets: Int32Array = data.valueOffsets;
  const part = values.subarray(offsets[0], offsets[batch.numRows]);
  return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
}
