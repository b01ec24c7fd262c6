import type { RecordBatch } from 'apache-arrow';
import { textLines } from '../storage/byte-streams.ts';
import type { OutputFile, WrittenFile } from '../storage/output-store.ts';
import { listCells } from './arrow-data.ts';
import { type FeatureColumn, isText } from './column-names.ts';
import { Encoder } from './encoder.ts';
import { widened } from './float16.ts';
import { partName, type Sink, type SinkContext } from './sink.ts';
import { inBatches, type ReadTable, type TableBatch, type TableRow } from './table-batch.ts';

/** Values handed to the thread at once. */
const SLICE_BYTES = 8 << 20;

/** Threads start from built JavaScript. */
const THREAD = new URL('../../dist/export/json-thread.js', import.meta.url);

/** Prints JSON lines in a thread. */
class JsonEncoder extends Encoder<JsonLayout, JsonBatch> {
  constructor() {
    super('JSON', THREAD);
  }

  add(batch: JsonBatch): Promise<void> {
    const arrays = batch.columns.flatMap((column) => [
      ...('offsets' in column ? [column.offsets.buffer] : []),
      'bytes' in column ? column.bytes.buffer : column.values.buffer,
    ]);
    return this.addBatch(batch, arrays as ArrayBuffer[]);
  }
}

let prepared: JsonEncoder | undefined;

/** Starts the thread of the next sink. */
export function prepareJson(): void {
  prepared ??= new JsonEncoder();
}

/**
 * JSON lines: one object a row, in the order of the schema, no spaces. A number always has a point
 * or an exponent, so that a reader that guesses types never takes a column of floats for integers.
 * float32 values, and those of float16, are printed as the shortest decimal that gives the same float32 again.
 */
export function openJsonSink({ store, schema: { columns } }: SinkContext): Sink {
  const files: WrittenFile[] = [];
  prepareJson();
  const encoder = prepared!;
  prepared = undefined;
  const rowBytes = columns.reduce((sum, { length }) => sum + 8 * length, 0);
  const sliceRows = Math.max(1, Math.floor(SLICE_BYTES / rowBytes));
  let file: OutputFile | undefined;

  return {
    async beginPart(index) {
      const begun = await store.create(partName('json', index));
      file = begun;
      encoder.begin({ names: columns.map(({ name }) => name) }, (bytes) => begun.write(bytes));
    },
    async write(batch) {
      for (let from = 0; from < batch.numRows; from += sliceRows) {
        const to = Math.min(batch.numRows, from + sliceRows);
        const cells = columns.map((column) => copyCells(column, batch, from, to));
        await encoder.add({ rows: to - from, columns: cells });
      }
    },
    async endPart() {
      await encoder.end();
      files.push(await file!.commit());
      file = undefined;
    },
    async finish() {
      await encoder.close();
      return files;
    },
    async abort() {
      await encoder.close();
      await file?.abort();
      file = undefined;
    },
  };
}

/** The cells of some rows in memory of their own, which goes to the thread. */
function copyCells(column: FeatureColumn, batch: RecordBatch, from: number, to: number): JsonCells {
  const data = batch.getChild(column.name)!.data[0];
  if (column.kind === 'view') return { values: (data.values as Int32Array).slice(from, to) };
  const all: Int32Array = data.valueOffsets;
  const [first, end] = [all[from], all[to]];
  const offsets = all.subarray(from, to + 1).map((offset) => offset - first);
  // Not `slice`, which of a Buffer is no copy.
  if (isText(column)) return { offsets, bytes: new Uint8Array(data.values.subarray(first, end)) };
  const { values } = listCells(batch, column);
  return { offsets, values: widened(values.slice(first, end)) };
}

export interface JsonLayout {
  /** Of the columns. */
  readonly names: readonly string[];
}

/** Rows for the thread: the columns' cells, in their order. */
export interface JsonBatch {
  readonly rows: number;
  readonly columns: readonly JsonCells[];
}

/** Where each cell begins, and where the last ends; nothing of that where a cell is one whole number. */
export type JsonCells =
  | { readonly offsets: Int32Array; readonly bytes: Uint8Array }
  | { readonly offsets: Int32Array; readonly values: Float32Array | Float64Array }
  | { readonly values: Int32Array };

/** See ReadTable. The shortest decimal of a float32 reads back as the same float32. */
export async function* readJsonTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  yield* inBatches(rows(textLines(files.stream(name))), columns);
}

async function* rows(lines: AsyncIterable<string>): AsyncGenerator<TableRow> {
  for await (const line of lines) {
    const cells = JSON.parse(line) as Record<string, unknown>;
    yield { origin: cells.origin, target: cells.target, cells };
  }
}
