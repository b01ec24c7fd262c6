const ENCODER = new TextEncoder();

/** Wire types of the protocol buffers encoding. */
const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

/**
 * Writes one protocol buffers message (https://protobuf.dev/programming-guides/encoding): fields in
 * the order of the calls, by number. A value that equals the field's default is written, too.
 */
export class ProtoWriter {
  readonly #bytes: number[] = [];

  /** int32, int64, uint64, bool and enum fields; `value` is a safe integer. */
  varint(field: number, value: number | boolean): this {
    this.#tag(field, VARINT);
    this.#varint(Number(value));
    return this;
  }

  fixed32(field: number, value: number): this {
    this.#tag(field, FIXED_32);
    this.#bytes.push(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
    return this;
  }

  float(field: number, value: number): this {
    return this.fixed32(field, new Uint32Array(Float32Array.of(value).buffer)[0]);
  }

  string(field: number, value: string): this {
    return this.bytes(field, ENCODER.encode(value));
  }

  /** bytes and embedded messages. */
  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, LENGTH_DELIMITED);
    this.#varint(value.length);
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish());
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    for (const byte of varint(value)) this.#bytes.push(byte);
  }
}

/** Seven bits a byte, lowest first; a negative number as its 64-bit two's complement. */
export function varint(value: number): number[] {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`Expected a safe integer for a varint but found ${value}.`);
  }
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return bytes;
}
