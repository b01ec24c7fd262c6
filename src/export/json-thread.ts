import { parentPort } from 'node:worker_threads';
import type { EncodeReply, EncodeRequest } from './encoder.ts';
import type { JsonBatch, JsonCells, JsonLayout } from './json.ts';
import { plainBytes, TextBuffer } from './text-buffer.ts';

// The entry of the thread that prints JSON lines: the numbers' text takes longer than all else of a table.
const port = parentPort;
if (port === null) throw new Error('Expected to run as a worker thread.');

/** Bytes that JSON text holds as they are. */
const PLAIN = plainBytes('"\\', { controls: false });

const text = new TextBuffer();
let keys: readonly string[] = [];

port.on('message', (request: EncodeRequest<JsonLayout, JsonBatch>) => {
  try {
    handle(request);
  } catch (error) {
    reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
});

function handle(request: EncodeRequest<JsonLayout, JsonBatch>): void {
  if (request.kind === 'begin') {
    keys = request.layout.names.map((name, i) => `${i === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  } else if (request.kind === 'batch') {
    print(request.batch);
    reply({ kind: 'taken' });
  } else {
    flush();
    reply({ kind: 'ended' });
  }
}

function print({ rows, columns }: JsonBatch): void {
  const cells = columns.map(openCells);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < cells.length; c++) {
      text.utf8(keys[c]);
      cells[c](row);
    }
    text.ascii('}\n');
    if (text.isFull) flush();
  }
}

/** A function that prints the cell of one row. */
function openCells(column: JsonCells): (row: number) => void {
  if (!('offsets' in column)) return (row) => text.ascii(String(column.values[row]));
  const { offsets } = column;
  if ('bytes' in column) {
    const { bytes } = column;
    return (row) => {
      text.ascii('"');
      const [from, to] = [offsets[row], offsets[row + 1]];
      if (text.copyPlain(bytes, from, to, PLAIN)) text.ascii('"');
      // The opening quote is there already.
      else text.utf8(JSON.stringify(Buffer.from(bytes.subarray(from, to)).toString()).slice(1));
    };
  }
  const { values } = column;
  return (row) => {
    text.ascii('[');
    text.numbers(values, offsets[row], offsets[row + 1]);
    text.ascii(']');
  };
}

function flush(): void {
  const bytes = text.take();
  if (bytes.length > 0) reply({ kind: 'bytes', bytes }, [bytes.buffer]);
}

function reply(message: EncodeReply, transfer: ArrayBuffer[] = []): void {
  port!.postMessage(message, transfer);
}
