import { DataType, type Field, type Schema } from 'apache-arrow';
import { ProtocolError } from './worker-errors.ts';

/** How one column is stored in a batch's body: its place among the columns, and whether its offsets are int64. */
export interface InputColumn {
  readonly position: number;
  readonly hasWideOffsets: boolean;
}

export interface InputSchema {
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
