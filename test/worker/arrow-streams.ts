import {
  Binary,
  type Data,
  type DataType,
  Field,
  Message,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  tableFromIPC,
  Utf8,
  type Vector,
} from 'apache-arrow';

/** One row to send; `content` is a column only where some row has the key. */
export interface SentRow {
  readonly origin: string | null;
  readonly content?: Uint8Array | null;
}

export interface StreamOptions {
  /** Rows in each record batch. */
  readonly batchRows?: number;
  readonly originType?: DataType;
  readonly contentType?: DataType;
}

/** One Arrow IPC stream as a peer sends it. */
export function encodeStream(rows: readonly SentRow[], options: StreamOptions = {}): Buffer {
  const { batchRows = 100, originType = new Utf8(), contentType = new Binary() } = options;
  const hasContent = rows.some((row) => 'content' in row) || options.contentType !== undefined;
  const fields = [
    new Field('origin', originType, true),
    ...(hasContent ? [new Field('content', contentType, true)] : []),
  ];
  const batches = [];
  for (let start = 0; start < rows.length; start += batchRows) {
    const part = rows.slice(start, start + batchRows);
    const origins = part.map(({ origin }) => (origin === null ? null : Buffer.from(origin)));
    const columns = [variableData(originType, origins)];
    if (hasContent) {
      columns.push(
        variableData(
          contentType,
          part.map(({ content }) => content ?? null),
        ),
      );
    }
    batches.push(columns);
  }
  return encodeBatches(new Schema(fields), batches);
}

/** Record batches of any columns; all of one batch have the same length. */
export function encodeBatches(schema: Schema, batches: readonly (readonly Data[])[]): Buffer {
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  for (const children of batches) {
    const type = new Struct(schema.fields);
    const length = children[0]?.length ?? 0;
    writer.write(
      new RecordBatch(schema, makeData({ type, length, nullCount: 0, children: [...children] })),
    );
  }
  writer.finish();
  return Buffer.from(writer.toUint8Array(true));
}

/** Text or bytes with offsets of 32 bits, or 64 for the large types. */
export function variableData(type: DataType, cells: readonly (Uint8Array | null)[]): Data {
  const isLarge = String(type).startsWith('Large');
  const valueOffsets = isLarge
    ? new BigInt64Array(cells.length + 1)
    : new Int32Array(cells.length + 1);
  const nullBitmap = new Uint8Array((cells.length + 7) >> 3);
  let end = 0;
  cells.forEach((cell, i) => {
    end += cell?.length ?? 0;
    if (cell !== null) nullBitmap[i >> 3]! |= 1 << (i & 7);
    valueOffsets[i + 1] = isLarge ? BigInt(end) : end;
  });
  const nullCount = cells.filter((cell) => cell === null).length;
  const data = Buffer.concat(cells.map((cell) => cell ?? new Uint8Array(0)));
  const validity = nullCount > 0 ? { nullBitmap } : {};
  return makeData({
    type: type as Binary,
    length: cells.length,
    nullCount,
    valueOffsets: valueOffsets as Int32Array,
    data,
    ...validity,
  });
}

/** Cells of the answer as plain values; a vector as an array of numbers. */
export type AnsweredCells = Record<string, string | number[] | null>;

/** The rows of each Arrow IPC stream in `bytes`, one after the other. */
export function decodeStreams(bytes: Uint8Array): AnsweredCells[][] {
  return cutStreams(bytes).map((stream) =>
    tableFromIPC(stream)
      .toArray()
      .map((row) =>
        Object.fromEntries(
          Object.entries(row.toJSON()).map(([name, value]) => [
            name,
            value === null || typeof value === 'string' ? value : Array.from(value as Vector),
          ]),
        ),
      ),
  );
}

/** Cuts after each end mark, message by message; throws where the bytes are anything else. */
function cutStreams(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const streams: Uint8Array[] = [];
  let start = 0;
  let at = 0;
  while (at < bytes.length) {
    if (view.getUint32(at, true) !== 0xffffffff) throw new Error(`No Arrow message at byte ${at}.`);
    const length = view.getInt32(at + 4, true);
    at +=
      8 +
      length +
      (length === 0 ? 0 : Message.decode(bytes.subarray(at + 8, at + 8 + length)).bodyLength);
    if (length === 0) {
      streams.push(bytes.subarray(start, at));
      start = at;
    }
  }
  if (start !== bytes.length) throw new Error('The last stream has no end mark.');
  return streams;
}
