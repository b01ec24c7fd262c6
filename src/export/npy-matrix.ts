import { RunError } from '../errors.ts';
import { parseNpyHeader } from '../reduce/npy.ts';
import type { OutputStore } from '../storage/output-store.ts';

/** One matrix of a run, read row by row. */
export interface NpyMatrix {
  readonly rows: number;
  readonly length: number;
  /** The next row; undefined after the last, once it is sure that nothing follows. */
  next(): Promise<Float32Array | Float64Array | undefined>;
}

/** Far above what two numbers and a type take. */
const MAX_HEADER_BYTES = 1 << 16;

/** Begins to read a matrix that the NumPy sink wrote. @throws RunError for other bytes */
export async function openNpyMatrix(store: OutputStore, name: string): Promise<NpyMatrix> {
  const bytes = new ByteReader(store.read(name));
  const start = await bytes.take(12);
  const headerBytes = start[6] === 1 ? 10 + start.readUInt16LE(8) : 12 + start.readUInt32LE(8);
  const rest = await bytes.take(Math.min(headerBytes - 12, MAX_HEADER_BYTES));
  const { descr, shape } = parseNpyHeader(Buffer.concat([start, rest]), name);
  const [rows = 0, length = 0] = shape;
  const Values = descr === '<f8' ? Float64Array : descr === '<f4' ? Float32Array : undefined;
  // Rows without values take no bytes: a header could name any number of them.
  if (shape.length !== 2 || length === 0 || Values === undefined) {
    throw new RunError(
      `Expected a matrix of floats for ${name} but found ${descr} ${shape.join('×')}.`,
    );
  }
  let row = 0;
  return {
    rows,
    length,
    async next() {
      if (row === rows) {
        await bytes.expectEnd(name);
        return undefined;
      }
      row += 1;
      // A copy: chunks are cut anywhere, values are aligned.
      return new Values(
        Uint8Array.from(await bytes.take(length * Values.BYTES_PER_ELEMENT)).buffer,
      );
    },
  };
}

/** Takes exact numbers of bytes from chunks cut anywhere. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #left: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async take(count: number): Promise<Buffer> {
    const parts = [this.#left];
    let have = this.#left.length;
    while (have < count) {
      const { value, done } = await this.#chunks.next();
      if (done) throw new RunError(`Expected ${count - have} more bytes but found the end.`);
      parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      have += value.byteLength;
    }
    const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    this.#left = all.subarray(count);
    return all.subarray(0, count);
  }

  async expectEnd(name: string): Promise<void> {
    const { done } = this.#left.length > 0 ? { done: false } : await this.#chunks.next();
    if (!done) throw new RunError(`Expected the end of ${name} after its last row but found more.`);
  }
}
