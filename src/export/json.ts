import type { RecordBatch, Vector } from 'apache-arrow';
import { textLines } from '../storage/byte-streams.ts';
import type { OutputFile, WrittenFile } from '../storage/output-store.ts';
import { type FeatureColumn, isText } from './column-names.ts';
import { partName, type Sink, type SinkContext } from './sink.ts';
import { inBatches, type ReadTable, type TableBatch, type TableRow } from './table-batch.ts';
import { plainBytes, TextBuffer } from './text-buffer.ts';

/** Bytes that JSON text holds as they are. */
const PLAIN = plainBytes('"\\', { controls: false });

/**
 * JSON lines: one object a row, in the order of the schema, no spaces. A number always has a point
 * or an exponent, so that a reader that guesses types never takes a column of floats for integers.
 * float32 values are printed as the shortest decimal that gives the same float32 again.
 */
export function openJsonSink({ store, schema: { columns } }: SinkContext): Sink {
  const files: WrittenFile[] = [];
  const text = new TextBuffer();
  const keys = columns.map((column, i) => `${i === 0 ? '{' : ','}${JSON.stringify(column.name)}:`);
  let file: OutputFile | undefined;

  return {
    async beginPart(index) {
      file = await store.create(partName('json', index));
    },
    async write(batch) {
      const cells = columns.map((column) => openCells(column, batch, text));
      for (let row = 0; row < batch.numRows; row++) {
        for (let c = 0; c < cells.length; c++) {
          text.utf8(keys[c]);
          cells[c](row);
        }
        text.ascii('}\n');
        if (text.isFull) await text.flushTo(file!);
      }
    },
    async endPart() {
      await text.flushTo(file!);
      files.push(await file!.commit());
      file = undefined;
    },
    async finish() {
      return files;
    },
    async abort() {
      await file?.abort();
    },
  };
}

/** A function that writes the cell of one row. */
function openCells(
  column: FeatureColumn,
  batch: RecordBatch,
  text: TextBuffer,
): (row: number) => void {
  const vector = batch.getChild(column.name)!;
  const data = vector.data[0];
  const offsets: Int32Array = data.valueOffsets;
  if (isText(column)) {
    const bytes: Uint8Array = data.values;
    return (row) => {
      text.ascii('"');
      if (text.copyPlain(bytes, offsets[row], offsets[row + 1], PLAIN)) text.ascii('"');
      // The opening quote is there already.
      else text.utf8(JSON.stringify((vector as Vector).get(row)).slice(1));
    };
  }
  const values: Float32Array | Float64Array = data.children[0].values;
  return (row) => {
    text.ascii('[');
    text.numbers(values, offsets[row], offsets[row + 1]);
    text.ascii(']');
  };
}

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
