import { RunError } from '../../errors.ts';
import { parseNpyHeader } from '../../reduce/npy.ts';
import { ByteReader } from '../../storage/byte-streams.ts';

/** One matrix of a run, read row by row. */
export interface NpyMatrix {
  readonly rows: number;
  readonly length: number;
  /** The next row; undefined after the last, once it is sure that nothing follows. */
  next(): Promise<Float32Array | Float64Array | undefined>;
}

/** Far above what two numbers and a type take. */
const MAX_HEADER_BYTES = 1 << 16;
/** Longer than any vector: a row's memory is taken before its bytes are read. */
const MAX_LENGTH = 1 << 28;

/** Begins to read a matrix that the NumPy sink wrote. @throws RunError for other bytes */
export async function openNpyMatrix(
  file: AsyncIterable<Uint8Array>,
  name: string,
): Promise<NpyMatrix> {
  const bytes = new ByteReader(file);
  const start = await take(bytes, 12);
  const headerBytes = start[6] === 1 ? 10 + start.readUInt16LE(8) : 12 + start.readUInt32LE(8);
  const rest = await take(bytes, Math.max(0, Math.min(headerBytes - 12, MAX_HEADER_BYTES)));
  const { descr, shape } = parseNpyHeader(Buffer.concat([start, rest]), name);
  const [rows = 0, length = 0] = shape;
  const Values = descr === '<f8' ? Float64Array : descr === '<f4' ? Float32Array : undefined;
  // Rows without values take no bytes: a header could name any number of them.
  const isRow = length > 0 && length <= MAX_LENGTH;
  if (shape.length !== 2 || !isRow || Values === undefined) {
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
        await expectEnd(bytes, name);
        return undefined;
      }
      row += 1;
      // Chunks are cut anywhere, values are aligned.
      return new Values(
        (await take(bytes, length * Values.BYTES_PER_ELEMENT)).buffer as ArrayBuffer,
      );
    },
  };
}

/** @throws RunError where the file ends before */
async function take(bytes: ByteReader, count: number): Promise<Buffer> {
  const target = Buffer.alloc(count);
  const filled = await bytes.fill(target);
  if (filled === count) return target;
  throw new RunError(`Expected ${count - filled} more bytes but found the end.`);
}

async function expectEnd(bytes: ByteReader, name: string): Promise<void> {
  if ((await bytes.fill(new Uint8Array(1))) === 0) return;
  throw new RunError(`Expected the end of ${name} after its last row but found more.`);
}
