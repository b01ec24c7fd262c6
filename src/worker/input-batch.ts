import { DataType, type Field, type Schema } from 'apache-arrow';
import type { RecordBatchMetadata } from '../export/arrow-message.ts';
import { ProtocolError } from './protocol.ts';

/** How one column is stored in a batch's body: its place among the columns, and whether its offsets are int64. */
interface InputColumn {
  readonly position: number;
  readonly hasWideOffsets: boolean;
}

interface InputSchema {
  readonly columnCount: number;
  readonly origin: InputColumn;
  /** Absent: the worker reads each origin itself. */
  readonly content: InputColumn | undefined;
}

const FIX =
  'Send the columns origin (string) and, where you have the bytes, content (binary); no others.';

/** @throws ProtocolError for columns that are missing, unknown, doubled or of another type */
export function readInputSchema({ fields }: Schema): InputSchema {
  const found = fields.map(({ name, type }) => `${name}: ${type}`).join(', ') || 'no columns';
  const wanted = new Set(['origin', 'content']);
  for (const { name } of fields) {
    if (wanted.delete(name)) continue;
    throw new ProtocolError(
      `Expected the columns origin and content, each once, but found ${found}.`,
      { fix: FIX },
    );
  }
  const origin = columnOf(fields, 'origin', 'utf8', [DataType.isUtf8, DataType.isLargeUtf8]);
  const content = columnOf(fields, 'content', 'binary', [
    DataType.isBinary,
    DataType.isLargeBinary,
  ]);
  if (origin === undefined) {
    throw new ProtocolError(`Expected a column origin but found ${found}.`, { fix: FIX });
  }
  return { columnCount: fields.length, origin, content };
}

function columnOf(
  fields: readonly Field[],
  name: string,
  typeName: string,
  [isPlain, isLarge]: readonly ((type: DataType) => boolean)[],
): InputColumn | undefined {
  const position = fields.findIndex((field) => field.name === name);
  if (position < 0) return undefined;
  const { type } = fields[position];
  if (isPlain(type)) return { position, hasWideOffsets: false };
  if (isLarge(type)) return { position, hasWideOffsets: true };
  throw new ProtocolError(
    `Expected ${typeName} or large_${typeName} for the column ${name} but found ${type}.`,
    { fix: FIX },
  );
}

/** The rows of one record batch. Contents are views of its body. */
export interface InputBatch {
  readonly rows: number;
  /** @throws ProtocolError where it is null */
  origin(row: number): string;
  /** null where the sender had none; undefined where there is no such column. */
  content(row: number): Uint8Array | null | undefined;
}

/**
 * Makes views of the columns in the body. Both are of variable length: validity bits, offsets, bytes.
 * @throws ProtocolError when the buffers do not fit the body or each other
 */
export function readInputBatch(
  schema: InputSchema,
  header: RecordBatchMetadata,
  body: Uint8Array,
): InputBatch {
  const { length: rows, nodes, buffers, compression } = header;
  if (compression !== null && compression !== undefined) {
    throw new ProtocolError('Expected plain record batches but found compressed ones.', {
      fix: 'Write them without compression: images are compressed already.',
    });
  }
  if (nodes.length !== schema.columnCount || buffers.length !== 3 * schema.columnCount) {
    throw damaged(`${nodes.length} columns in ${buffers.length} buffers`);
  }
  const column = ({ position, hasWideOffsets }: InputColumn) => {
    if (nodes[position].length !== rows) throw damaged('columns of different lengths');
    const [validity, offsets, values] = buffers
      .slice(3 * position, 3 * position + 3)
      .map(({ offset, length }) => {
        if (offset < 0 || length < 0 || offset + length > body.length)
          throw damaged('a buffer beyond its end');
        return body.subarray(offset, offset + length);
      }) as [Uint8Array, Uint8Array, Uint8Array];
    const nulls = nodes[position].nullCount > 0 ? validity : undefined;
    if (nulls !== undefined && nulls.length < rows / 8) throw damaged('too few validity bits');
    return readColumn(rows, nulls, readOffsets(offsets, rows, hasWideOffsets), values);
  };
  const origins = column(schema.origin);
  const contents = schema.content && column(schema.content);
  return {
    rows,
    origin(row) {
      const bytes = origins(row);
      if (bytes === null) {
        throw new ProtocolError(`Expected an origin in every row but found null in row ${row}.`, {
          fix: 'Give every row a name: the answer is matched by it.',
        });
      }
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    },
    content: (row) => contents?.(row),
  };
}

/** @returns the value of a row, null where its bit says so */
function readColumn(
  rows: number,
  validity: Uint8Array | undefined,
  offsets: Int32Array | Float64Array,
  values: Uint8Array,
): (row: number) => Uint8Array | null {
  for (let i = 0; i < rows; i++) {
    if (offsets[i] > offsets[i + 1]) throw damaged('offsets that go back');
  }
  if (offsets[0] < 0 || offsets[rows] > values.length) throw damaged('offsets beyond the end');
  return (row) => {
    if (validity !== undefined && (validity[row >> 3] & (1 << (row & 7))) === 0) return null;
    return values.subarray(offsets[row], offsets[row + 1]);
  };
}

/** rows + 1 offsets; a batch without rows may have none. */
function readOffsets(bytes: Uint8Array, rows: number, areWide: boolean): Int32Array | Float64Array {
  const width = areWide ? 8 : 4;
  if (rows === 0 && bytes.length < width) return new Int32Array(1);
  if (bytes.length < (rows + 1) * width) throw damaged('too few offsets');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const offsets = areWide ? new Float64Array(rows + 1) : new Int32Array(rows + 1);
  for (let i = 0; i <= rows; i++) {
    offsets[i] = areWide ? Number(view.getBigInt64(8 * i, true)) : view.getInt32(4 * i, true);
  }
  return offsets;
}

function damaged(found: string): ProtocolError {
  return new ProtocolError(`Expected a whole record batch but found ${found}.`);
}
