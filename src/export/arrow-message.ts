/*
 * Arrow's metadata are flatbuffers: tables of offsets and counts that apache-arrow follows without a check of where the
 * bytes end. One false count of 32 bits is minutes of reading nothing. So a message is checked once before it is
 * decoded, as flatbuffers' own verifiers do: every offset and vector is inside the bytes, and all of them together visit
 * no more than the bytes can hold, which bounds time and memory.
 * https://github.com/apache/arrow/blob/main/format/Message.fbs, Schema.fbs
 */
import { Message } from 'apache-arrow';

/** The bytes are no Arrow message; `message` says what was found. */
export class DamagedArrow extends Error {}

/** What the metadata of a record batch says. */
export interface RecordBatchMetadata {
  readonly length: number;
  readonly nodes: readonly { readonly length: number; readonly nullCount: number }[];
  readonly buffers: readonly { readonly offset: number; readonly length: number }[];
  readonly compression: unknown;
}

/**
 * Decodes the metadata of one message. Of a record batch, every count fits the body that the message announces.
 * @throws DamagedArrow
 */
export function decodeArrowMessage(metadata: Uint8Array): Message {
  try {
    new Walk(metadata).table(MESSAGE);
    const message = Message.decode(metadata);
    const header = message.header(); // flatbuffers are decoded on access
    const { bodyLength } = message;
    if (!Number.isSafeInteger(bodyLength) || bodyLength < 0) {
      throw new DamagedArrow(`a body of ${bodyLength} bytes`);
    }
    if (message.isRecordBatch()) expectFits(header as RecordBatchMetadata, bodyLength);
    if (message.isDictionaryBatch()) {
      expectFits((header as { data: RecordBatchMetadata }).data, bodyLength);
    }
    return message;
  } catch (error) {
    if (error instanceof DamagedArrow) throw error;
    throw new DamagedArrow(error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

const MAGIC = 'ARROW1';

/**
 * Checks an Arrow file before apache-arrow opens it: its footer, and the message of each record batch that the footer
 * points at; no two share bytes, so that a small file stays small.
 * @throws DamagedArrow
 */
export function expectSoundFile(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const textAt = (at: number) => Buffer.from(bytes.subarray(at, at + 6)).toString('latin1');
  const end = bytes.length - 10;
  if (end < 8 || textAt(0) !== MAGIC || textAt(end + 4) !== MAGIC) {
    throw new DamagedArrow('other bytes, or only a part of it');
  }
  const footerBytes = view.getInt32(end, true);
  if (footerBytes < 0 || footerBytes > end - 8) {
    throw new DamagedArrow(`a footer of ${footerBytes} bytes`);
  }
  const footerStart = end - footerBytes;
  let last = 8;
  for (const { offset, headBytes, bodyBytes } of readBlocks(bytes.subarray(footerStart, end))) {
    const body = offset + headBytes;
    if (!(offset >= last && headBytes >= 8 && bodyBytes >= 0 && body + bodyBytes <= footerStart)) {
      throw new DamagedArrow('a record batch beyond its place');
    }
    last = body + bodyBytes;
    const length = view.getInt32(offset + 4, true);
    if (view.getInt32(offset, true) !== -1 || length !== headBytes - 8) {
      throw new DamagedArrow('no message where a record batch should start');
    }
    const message = decodeArrowMessage(bytes.subarray(offset + 8, body));
    if (!message.isRecordBatch() || message.bodyLength !== bodyBytes) {
      throw new DamagedArrow('another message in place of a record batch');
    }
  }
}

/** Where the footer says that record batches are. */
function readBlocks(footer: Uint8Array) {
  const walk = new Walk(footer);
  walk.table(FOOTER);
  if ((walk.vector(2)?.count ?? 0) > 0) throw new DamagedArrow('dictionaries');
  const { start = 0, count = 0 } = walk.vector(3) ?? {};
  const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength);
  return Array.from({ length: count }, (_, i) => {
    const at = start + 24 * i;
    return {
      offset: Number(view.getBigInt64(at, true)),
      headBytes: view.getInt32(at + 8, true),
      bodyBytes: Number(view.getBigInt64(at + 16, true)),
    };
  });
}

function expectFits({ length, nodes, buffers }: RecordBatchMetadata, bodyBytes: number): void {
  const counts = [length, ...nodes.flatMap((node) => [node.length, node.nullCount])];
  // A value takes at least a bit: only of type null it takes none, and no table here has that type.
  const wrong = counts.find((count) => !(count >= 0 && count <= 8 * bodyBytes));
  if (wrong !== undefined) throw new DamagedArrow(`${wrong} values in ${bodyBytes} bytes`);
  for (const { offset, length: bytes } of buffers) {
    if (!(offset >= 0 && bytes >= 0 && offset + bytes <= bodyBytes)) {
      throw new DamagedArrow('a buffer beyond its end');
    }
  }
}

/** What a table holds beside plain numbers, by slot. */
type Shape = Readonly<Record<number, Member>>;
type Member =
  /** A vector of values, so many bytes each; text is one of bytes. */
  | { readonly kind: 'values'; readonly bytes: number }
  | { readonly kind: 'table' | 'tables'; readonly shape: () => Shape }
  /** The slot before it says which. */
  | { readonly kind: 'union'; readonly shapes: Readonly<Record<number, () => Shape>> };

const values = (bytes: number): Member => ({ kind: 'values', bytes });
const TEXT = values(1);
const table = (shape: () => Shape): Member => ({ kind: 'table', shape });
const tables = (shape: () => Shape): Member => ({ kind: 'tables', shape });

const PAIR: Shape = { 0: TEXT, 1: TEXT };
const FIELD: Shape = {
  0: TEXT,
  // Timestamp has the name of a zone, Union a list of types; the other types are numbers alone.
  3: { kind: 'union', shapes: { 10: () => ({ 1: TEXT }), 14: () => ({ 1: values(4) }) } },
  4: table(() => ({ 1: table(() => ({})) })),
  5: tables(() => FIELD),
  6: tables(() => PAIR),
};
const SCHEMA: Shape = { 1: tables(() => FIELD), 2: tables(() => PAIR), 3: values(8) };
const BATCH: Shape = { 1: values(16), 2: values(16), 3: table(() => ({})), 4: values(8) };
const MESSAGE: Shape = {
  2: {
    kind: 'union',
    shapes: { 1: () => SCHEMA, 2: () => ({ 1: table(() => BATCH) }), 3: () => BATCH },
  },
  4: tables(() => PAIR),
};

/** Of a file: blocks say where dictionaries (2) and record batches (3) are. */
const FOOTER: Shape = {
  1: table(() => SCHEMA),
  2: values(24),
  3: values(24),
  4: tables(() => PAIR),
};

/** Nested types of a schema; a recursion as deep as the bytes allow would overflow the stack. */
const MAX_DEPTH = 64;

/** Reads beyond the end throw, by DataView. */
class Walk {
  readonly #view: DataView;
  /** Bytes that may still be visited. Writers may share equal parts; without a limit, sharing could make a small file endless. */
  #left: number;

  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    this.#view = new DataView(buffer, byteOffset, byteLength);
    this.#left = 4 * byteLength;
  }

  table(shape: Shape, at = this.#target(0), depth = 0): void {
    if (depth > MAX_DEPTH) throw new DamagedArrow(`metadata nested deeper than ${MAX_DEPTH}`);
    const view = this.#view;
    const slots = at - view.getInt32(at, true);
    const slotsEnd = slots + view.getUint16(slots, true);
    const size = view.getUint16(slots + 2, true);
    this.#visit(slots, slotsEnd - slots);
    this.#visit(at, size);
    const offsetOf = (slot: number) => {
      const entry = slots + 4 + 2 * slot;
      return entry + 2 <= slotsEnd ? view.getUint16(entry, true) : 0;
    };
    for (const [slot, member] of Object.entries(shape) as unknown as [number, Member][]) {
      const offset = offsetOf(Number(slot));
      if (offset === 0) continue;
      if (offset + 4 > size) throw new DamagedArrow('a member beyond its table');
      const kind = member.kind === 'union' ? offsetOf(Number(slot) - 1) : 0;
      this.#member(member, at + offset, kind === 0 ? 0 : view.getUint8(at + kind), depth + 1);
    }
  }

  /** A vector in the root table, once that was checked. */
  vector(slot: number): { readonly start: number; readonly count: number } | undefined {
    const root = this.#target(0);
    const slots = root - this.#view.getInt32(root, true);
    const entry = 4 + 2 * slot;
    if (entry >= this.#view.getUint16(slots, true)) return undefined;
    const offset = this.#view.getUint16(slots + entry, true);
    if (offset === 0) return undefined;
    const start = this.#target(root + offset);
    return { start: start + 4, count: this.#view.getUint32(start, true) };
  }

  #member(member: Member, at: number, unionType: number, depth: number): void {
    const start = this.#target(at);
    if (member.kind === 'table') this.table(member.shape(), start, depth);
    else if (member.kind === 'union') {
      this.table(member.shapes[unionType]?.() ?? {}, start, depth);
    } else {
      const count = this.#view.getUint32(start, true);
      this.#visit(start, 4 + count * (member.kind === 'values' ? member.bytes : 4));
      for (let i = 0; member.kind === 'tables' && i < count; i++) {
        this.table(member.shape(), this.#target(start + 4 + 4 * i), depth);
      }
    }
  }

  #target(at: number): number {
    return at + this.#view.getUint32(at, true);
  }

  #visit(at: number, bytes: number): void {
    this.#left -= bytes;
    if (at >= 0 && at + bytes <= this.#view.byteLength && this.#left >= 0) return;
    throw new DamagedArrow(`${bytes} bytes at ${at} of metadata of ${this.#view.byteLength}`);
  }
}
