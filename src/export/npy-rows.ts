import { RunError } from '../errors.ts';
import { parseNpyHeader } from '../reduce/npy.ts';
import type { CheckedRow } from './checked-rows.ts';
import { NPY_INDEX } from './npy-sink.ts';
import type { OutputStore } from './output-store.ts';
import { textLines } from './text-lines.ts';

/**
 * Reads the NumPy files of a run back, side by side. The rows are those of all files together, so only the first
 * of them, by name, gives rows; the others are read along with it.
 */
export async function* npyRows(store: OutputStore, name: string): AsyncGenerator<CheckedRow> {
  const files = (await store.list('npy')).map((file) => `npy/${file}`);
  if (name !== files[0]) return;
  const matrices = files.filter((file) => file.endsWith('.npy'));
  const faults = await Promise.all(matrices.map((file) => openFaults(store, file)));
  const counts = new Set(faults.map(({ rows }) => rows));
  if (counts.size > 1) {
    throw new RunError(`Expected as many rows in each matrix but found ${[...counts].join(', ')}`);
  }
  const [expected] = counts;
  const origins = files.includes(NPY_INDEX) ? readOrigins(store) : undefined;
  for (let row = 0; ; row++) {
    const origin = await origins?.next();
    if (origins === undefined ? row === expected : origin!.done) {
      if (expected !== undefined && row !== expected) {
        throw new RunError(`Expected ${expected} rows in ${NPY_INDEX} but found ${row}`);
      }
      // Past the last row each matrix must end, too.
      for (const { next } of faults) await next();
      return;
    }
    let fault: string | undefined;
    for (const { next } of faults) fault = (await next()) ?? fault;
    yield { origin: origin?.value as string | undefined, fault };
  }
}

async function* readOrigins(store: OutputStore): AsyncGenerator<string | undefined> {
  for await (const line of textLines(store.read(NPY_INDEX))) {
    const { origin } = JSON.parse(line) as { origin?: unknown };
    yield typeof origin === 'string' ? origin : undefined;
  }
}

/** `next` gives what is wrong with the next row; after the last row it asserts that nothing follows. */
async function openFaults(store: OutputStore, name: string) {
  const bytes = new ByteReader(store.read(name));
  const start = await bytes.take(12);
  const headerBytes = start[6] === 1 ? 10 + start.readUInt16LE(8) : 12 + start.readUInt32LE(8);
  const rest = await bytes.take(headerBytes - 12);
  const { descr, shape } = parseNpyHeader(Buffer.concat([start, rest]), name);
  const [rows = 0, length = 0] = shape;
  const isDouble = descr === '<f8';
  if (shape.length !== 2 || (!isDouble && descr !== '<f4')) {
    throw new RunError(
      `Expected a matrix of floats for ${name} but found ${descr} ${shape.join('×')}`,
    );
  }
  let row = 0;
  return {
    rows,
    async next(): Promise<string | undefined> {
      if (row++ === rows) {
        await bytes.expectEnd(name);
        return undefined;
      }
      const cell = await bytes.take(length * (isDouble ? 8 : 4));
      for (let i = 0; i < length; i++) {
        const value = isDouble ? cell.readDoubleLE(8 * i) : cell.readFloatLE(4 * i);
        if (!Number.isFinite(value)) return `${name} holds something that is not a finite number`;
      }
      return undefined;
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
      if (done) throw new RunError(`Expected ${count - have} more bytes but found the end`);
      parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      have += value.byteLength;
    }
    const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    this.#left = all.subarray(count);
    return all.subarray(0, count);
  }

  async expectEnd(name: string): Promise<void> {
    const { done } = this.#left.length > 0 ? { done: false } : await this.#chunks.next();
    if (!done) throw new RunError(`Expected the end of ${name} after its last row but found more`);
  }
}
