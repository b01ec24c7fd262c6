/*
 * The sorted string table of LevelDB (doc/table_format.md), in which TensorFlow keeps a checkpoint's
 * index:
 *
 *   data block | metaindex block (empty) | index block | footer
 *   block:  entries | uint32 restart offsets… | uint32 number of restarts | type 0 | masked crc32c
 *   entry:  varint shared | varint unshared | varint value length | key tail | value
 *   footer: handle of the metaindex | handle of the index | zeros up to 40 bytes | magic
 *   handle: varint offset | varint size without the 5 bytes of type and crc
 */
import { crc32c, maskCrc } from './crc32c.ts';
import { varint } from './proto-writer.ts';

const MAGIC = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const FOOTER_HANDLE_BYTES = 40;
/** A key is written whole once in so many entries. */
const RESTART_INTERVAL = 16;

export type TableEntry = readonly [key: Uint8Array, value: Uint8Array];

/** @param entries in any order; keys differ. All go into one block: it is meant for thousands. */
export function encodeTable(entries: readonly TableEntry[]): Uint8Array {
  const sorted = [...entries].sort(([a], [b]) => Buffer.compare(a, b));
  const bytes: number[] = [];
  const append = (block: number[]): number[] => {
    const handle = [...varint(bytes.length), ...varint(block.length)];
    const withType = Uint8Array.from([...block, 0]);
    for (const byte of withType) bytes.push(byte);
    bytes.push(...uint32(maskCrc(crc32c(withType))));
    return handle;
  };
  const data = append(encodeBlock(sorted));
  const metaindex = append(encodeBlock([]));
  const lastKey = sorted.at(-1)?.[0] ?? new Uint8Array(0);
  const index = append(encodeBlock([[lastKey, Uint8Array.from(data)]]));
  const handles = [...metaindex, ...index];
  const padding = Array(FOOTER_HANDLE_BYTES - handles.length).fill(0);
  return Uint8Array.from([...bytes, ...handles, ...padding, ...MAGIC]);
}

function encodeBlock(entries: readonly TableEntry[]): number[] {
  const bytes: number[] = [];
  const restarts = [0];
  let previous = new Uint8Array(0);
  for (const [i, [key, value]] of entries.entries()) {
    let shared = 0;
    if (i % RESTART_INTERVAL === 0) {
      if (i > 0) restarts.push(bytes.length);
    } else {
      while (shared < previous.length && previous[shared] === key[shared]) shared++;
    }
    bytes.push(...varint(shared), ...varint(key.length - shared), ...varint(value.length));
    bytes.push(...key.subarray(shared), ...value);
    previous = Uint8Array.from(key);
  }
  return [...bytes, ...restarts.flatMap(uint32), ...uint32(restarts.length)];
}

function uint32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}
