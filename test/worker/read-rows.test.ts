import {
  Binary,
  Dictionary,
  Field,
  Int32,
  Message,
  Schema,
  Uint8 as UInt8,
  Utf8,
} from 'apache-arrow';
import { expect, test } from 'vitest';
import { ByteReader } from '../../src/storage/byte-streams.ts';
import { ProtocolError } from '../../src/worker/protocol.ts';
import { openRows } from '../../src/worker/read-rows.ts';
import { seededRandom } from '../faults/long-form.ts';
import { encodeBatches, encodeStream, variableData } from './arrow-streams.ts';

type Rows = [origin: string, content: string | null | undefined][];

/** Everything in the streams of `bytes`, given out in pieces of `piece` bytes. */
async function readAll(bytes: Uint8Array, piece = 7): Promise<Rows[]> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += piece) yield bytes.slice(at, at + piece);
  }
  const reader = new ByteReader(pieces());
  const streams: Rows[] = [];
  for (;;) {
    const batches = await openRows(reader);
    if (batches === undefined) return streams;
    const rows: Rows = [];
    for await (const batch of batches) {
      for (let row = 0; row < batch.rows; row++) {
        const content = batch.content(row);
        rows.push([batch.origin(row), content && Buffer.from(content).toString('latin1')]);
      }
    }
    streams.push(rows);
  }
}

const text = (value: string) => Buffer.from(value);
const ROWS = [
  { origin: 'a/1.jpg', content: text('one') },
  { origin: 'b/ü.jpg', content: null },
  { origin: '', content: text('') },
];
const STREAM = encodeStream(ROWS, { batchRows: 2 });
const READ: Rows = [
  ['a/1.jpg', 'one'],
  ['b/ü.jpg', null],
  ['', ''],
];

test('streams are read one after the other, whatever pieces they come in', async () => {
  const origins = encodeStream(ROWS.map(({ origin }) => ({ origin })));
  const both = Buffer.concat([STREAM, origins]);
  const wanted = [READ, READ.map(([origin]) => [origin, undefined])];
  for (const piece of [1, 8, 1000, both.length]) {
    expect(await readAll(both, piece)).toEqual(wanted);
  }
});

test('a stream cut at any byte is an error, never a shorter stream', async () => {
  expect(await readAll(STREAM.subarray(0, 0))).toEqual([]);
  for (let end = 1; end < STREAM.length; end++) {
    await expect(readAll(STREAM.subarray(0, end)), `cut at ${end}`).rejects.toThrow(ProtocolError);
  }
});

test('damaged buffers are rows or a ProtocolError, never another failure', async () => {
  const random = seededRandom(5);
  const bodies = [...bodiesOf(STREAM)];
  expect(bodies.length).toBe(2);
  let failed = 0;
  for (let n = 0; n < 300; n++) {
    const bytes = Buffer.from(STREAM);
    const { start, end } = bodies[n % 2]!;
    for (let flips = 0; flips < 3; flips++) {
      bytes[start + Math.floor(random() * (end - start))] = Math.floor(random() * 256);
    }
    const failure = await readAll(bytes, 64).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) continue;
    expect(failure).toBeInstanceOf(ProtocolError);
    failed++;
  }
  expect(failed).toBeGreaterThan(50);
});

test('a false count in the metadata of a message is a ProtocolError at once, whichever it is', async () => {
  const bodies = new Set<number>();
  for (const { start, end } of bodiesOf(STREAM))
    for (let at = start; at < end; at++) bodies.add(at);
  const start = performance.now();
  let failed = 0;
  for (let at = 8; at + 4 <= STREAM.length; at += 4) {
    if (bodies.has(at)) continue;
    for (const count of [0x7fffffff, 0x00ffffff, -1]) {
      const bytes = Buffer.from(STREAM);
      bytes.writeInt32LE(count, at);
      const failure = await readAll(bytes, 64).catch((error: unknown) => error);
      if (Array.isArray(failure)) continue;
      expect(failure, `${count} at ${at}`).toBeInstanceOf(ProtocolError);
      failed++;
    }
  }
  expect(failed).toBeGreaterThan(200);
  expect(performance.now() - start).toBeLessThan(20_000);
});

/** Where the bodies of the record batches lie. */
function* bodiesOf(bytes: Buffer): Generator<{ start: number; end: number }> {
  for (let at = 0; bytes.readInt32LE(at + 4) > 0; ) {
    const start = at + 8 + bytes.readInt32LE(at + 4);
    const { bodyLength } = Message.decode(bytes.subarray(at + 8, start));
    at = start + bodyLength;
    if (bodyLength > 0) yield { start, end: at };
  }
}

const refused: [string, Uint8Array, RegExp][] = [
  ['an Arrow file', text('ARROW1\0\0rest'), /but found an Arrow file/],
  ['text', text('Traceback (most'), /but found "Tracebac"/],
  ['two bytes', Uint8Array.of(0xff, 0xff), /Arrow IPC stream on stdin but found "\.\./],
  ['an end mark alone', STREAM.subarray(STREAM.length - 8), /start with its schema/],
  [
    'a column that is not known',
    encodeBatches(new Schema([field('origin', new Utf8()), field('label', new Int32())]), []),
    /found origin: Utf8, label: Int32/,
  ],
  [
    'a column twice',
    encodeBatches(new Schema([field('origin', new Utf8()), field('origin', new Utf8())]), []),
    /each once, but found/,
  ],
  [
    'no origin',
    encodeBatches(new Schema([field('content', new Binary())]), []),
    /a column origin but found content: Binary/,
  ],
  ['no column', encodeBatches(new Schema([]), []), /found no columns/],
  [
    'an origin of numbers',
    encodeBatches(new Schema([field('origin', new Int32())]), []),
    /utf8 or large_utf8 for the column origin but found Int32/,
  ],
  [
    'a dictionary',
    encodeBatches(new Schema([field('origin', new Dictionary(new Utf8(), new UInt8()))]), []),
    /column origin but found Dictionary/,
  ],
];

test.each(refused)('%s is refused', async (_, bytes, message) => {
  const failure = (await readAll(bytes).catch((error: unknown) => error)) as ProtocolError;
  expect(failure).toBeInstanceOf(ProtocolError);
  expect(failure.message).toMatch(message);
});

test('a null origin is refused when its row is met', async () => {
  const bytes = encodeStream([{ origin: 'a' }, { origin: null }]);
  await expect(readAll(bytes)).rejects.toThrow(/origin in every row but found null in row 1/);
});

test('columns of different lengths are refused', async () => {
  const schema = new Schema([field('origin', new Utf8()), field('content', new Binary())]);
  const columns = [
    variableData(new Utf8(), [text('a'), text('b')]),
    variableData(new Binary(), [text('a')]),
  ];
  await expect(readAll(encodeBatches(schema, [columns]))).rejects.toThrow(
    /^Expected a whole record batch but found/,
  );
});

function field(name: string, type: ConstructorParameters<typeof Field>[1]): Field {
  return new Field(name, type as Utf8, true);
}
