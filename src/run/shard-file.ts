import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { RunError } from '../errors.ts';
import { DurableFile } from '../storage/durable-file.ts';
import type { WrittenFile } from '../storage/output-store.ts';

/**
 * The rows of one shard as they are in memory, so that reading is one read and a few views:
 *
 *     0                 "img2features shard 1\n", padded with zeros to 64 bytes
 *     64                rows' positions in the manifest, uint32[n]
 *     next multiple of 64, for each output: float32[n, length], row-major
 *
 * Little-endian. n and the lengths are in the shard's record, together with the SHA-256 of the file.
 */
export interface ShardRows {
  /** Manifest positions of the rows, ascending. */
  readonly indices: Uint32Array;
  /** For each output float32 [n, length]. */
  readonly outputs: readonly Float32Array[];
}

const MAGIC = Buffer.from('img2features shard 1\n');
const ALIGNMENT = 64;

/** Byte offsets of the sections and the end: [indices, output 0, …, output m-1, end]. */
function shardLayout(n: number, lengths: readonly number[]): number[] {
  const offsets = [ALIGNMENT];
  let end = ALIGNMENT + n * 4;
  for (const length of lengths) {
    const start = align(end);
    offsets.push(start);
    end = start + n * length * 4;
  }
  return [...offsets, end];
}

/** Writes the file durably. @throws ExportError */
export async function writeShardFile(
  path: string,
  name: string,
  rows: ShardRows,
): Promise<WrittenFile> {
  expectLittleEndian();
  const file = await DurableFile.create(path, name);
  const header = Buffer.alloc(ALIGNMENT);
  MAGIC.copy(header);
  await file.write(header);
  let at = ALIGNMENT;
  for (const section of [rows.indices, ...rows.outputs]) {
    if (align(at) > at) await file.write(Buffer.alloc(align(at) - at));
    const bytes = new Uint8Array(section.buffer, section.byteOffset, section.byteLength);
    await file.write(bytes);
    at = align(at) + bytes.byteLength;
  }
  return file.commit();
}

/**
 * Reads the whole file once and makes views of it.
 *
 * @param sha256 hex; undefined when the file was checked before
 * @returns undefined when size or hash do not match
 */
export async function readShardFile(
  path: string,
  n: number,
  lengths: readonly number[],
  sha256: string | undefined,
): Promise<ShardRows | undefined> {
  expectLittleEndian();
  const bytes = await readFile(path);
  const layout = shardLayout(n, lengths);
  if (bytes.byteLength !== layout[layout.length - 1]) return undefined;
  if (sha256 !== undefined && createHash('sha256').update(bytes).digest('hex') !== sha256) {
    return undefined;
  }
  const buffer = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const view = (section: number): number => buffer.byteOffset + layout[section];
  return {
    indices: new Uint32Array(buffer.buffer, view(0), n),
    outputs: lengths.map((length, i) => new Float32Array(buffer.buffer, view(i + 1), n * length)),
  };
}

/** One output of a file that was checked before: float32 [n, length]. */
export async function readShardOutput(
  path: string,
  n: number,
  lengths: readonly number[],
  output: number,
): Promise<Float32Array> {
  const values = new Float32Array(n * lengths[output]);
  const bytes = new Uint8Array(values.buffer);
  const start = shardLayout(n, lengths)[output + 1];
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    let done = 0;
    while (done < bytes.byteLength) {
      const { bytesRead } = await handle.read(bytes, done, bytes.byteLength - done, start + done);
      if (bytesRead === 0)
        throw new RunError(`Expected ${bytes.byteLength} bytes in ${path} but found ${done}.`);
      done += bytesRead;
    }
  } finally {
    await handle?.close();
  }
  return values;
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function expectLittleEndian(): void {
  if (endianness() !== 'LE') {
    throw new RunError(
      'Expected a little-endian machine for the work folder but found a big-endian one.',
    );
  }
}
