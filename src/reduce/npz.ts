import { crc32, inflateRawSync } from 'node:zlib';
import { RunError } from '../errors.ts';
import { decodeNpy, encodeNpy, type NpyArray } from './npy.ts';

/**
 * A .npz file is a zip of .npy members. Written: stored, in the order given, with fixed times, so
 * equal arrays give equal bytes. Read: stored or deflated, as numpy's savez and savez_compressed
 * write them (no encryption, no more than 4 GiB).
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT sections 4.3.7, 4.3.12, 4.3.16
 */
const LOCAL = { signature: 0x04034b50, size: 30 };
const CENTRAL = { signature: 0x02014b50, size: 46 };
const END = { signature: 0x06054b50, size: 22 };

const STORED = 0;
const DEFLATED = 8;
/** 1 January 1980, the first day that the format knows. */
const DOS_DATE = 0x21;
const LARGEST = 0xffff_fffe;
/** Numbers pack to a half, text in UTF-32 to a tenth; a zip bomb (a file of zeros) to a thousandth. */
const MAX_RATIO = 100;
const SMALL_BYTES = 64 * 1024 * 1024;

/** Packs arrays under their names; numpy.load gives them back by the same names. */
export function writeNpz(arrays: ReadonlyMap<string, NpyArray>): Buffer {
  const members: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [key, array] of arrays) {
    const name = Buffer.from(`${key}.npy`);
    const data = encodeNpy(array);
    const crc = crc32(data);
    const local = Buffer.alloc(LOCAL.size);
    local.writeUInt32LE(LOCAL.signature, 0);
    writeCommon(local, 4, crc, data.length, name.length);
    const central = Buffer.alloc(CENTRAL.size);
    central.writeUInt32LE(CENTRAL.signature, 0);
    central.writeUInt16LE(20, 4);
    writeCommon(central, 6, crc, data.length, name.length);
    central.writeUInt32LE(offset, 42);
    members.push(local, name, data);
    directory.push(central, name);
    offset += local.length + name.length + data.length;
  }
  const listing = Buffer.concat(directory);
  if (offset + listing.length > LARGEST) {
    throw new RunError(
      `Expected less than 4 GiB of arrays for one file but found ${offset} bytes.`,
    );
  }
  const end = Buffer.alloc(END.size);
  end.writeUInt32LE(END.signature, 0);
  end.writeUInt16LE(arrays.size, 8);
  end.writeUInt16LE(arrays.size, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...members, listing, end]);
}

/** The 26 bytes that the local and the central header share, from "version needed" on. */
function writeCommon(header: Buffer, at: number, crc: number, size: number, nameLength: number) {
  header.writeUInt16LE(20, at);
  header.writeUInt16LE(0x0800, at + 2); // the name is UTF-8
  header.writeUInt16LE(STORED, at + 4);
  header.writeUInt16LE(0, at + 6);
  header.writeUInt16LE(DOS_DATE, at + 8);
  header.writeUInt32LE(crc, at + 10);
  header.writeUInt32LE(size, at + 14);
  header.writeUInt32LE(size, at + 18);
  header.writeUInt16LE(nameLength, at + 22);
}

/**
 * Reads every array of a .npz file, keyed by its name without ".npy", in the order of the file.
 * @throws RunError when the bytes are not a whole .npz, or an array is not plain numbers or text.
 *
 * @example
 * const { shape, data } = readNpz(await readFile('features.npz')).get('fc1')!; // [64, 512], Float32Array
 */
export function readNpz(bytes: Uint8Array): Map<string, NpyArray> {
  const zip = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const arrays = new Map<string, NpyArray>();
  const entries = readDirectory(zip);
  expectPlausible(entries, zip.length);
  for (const entry of entries) {
    const key = entry.name.replace(/\.npy$/, '');
    if (arrays.has(key)) throw damaged(`the array ${key} twice`);
    arrays.set(key, decodeNpy(readMember(zip, entry), key));
  }
  return arrays;
}

/** Checked before anything is unpacked: members do not overlap, and none of them is a zip bomb. */
function expectPlausible(entries: readonly Entry[], fileBytes: number): void {
  const packed = entries.reduce((sum, entry) => sum + entry.packed, 0);
  const size = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (packed <= fileBytes && size <= Math.max(SMALL_BYTES, MAX_RATIO * packed)) return;
  throw damaged(`${packed} packed bytes in ${fileBytes} that would unpack to ${size}`);
}

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

function readDirectory(zip: Buffer): Entry[] {
  // The end record is the last thing in the file, but for a comment of at most 65,535 bytes.
  const lowest = Math.max(0, zip.length - END.size - 0xffff);
  let end = zip.length - END.size;
  while (end >= lowest && zip.readUInt32LE(end) !== END.signature) end--;
  if (end < lowest) throw damaged('no list of members at its end');
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL.size > end || zip.readUInt32LE(at) !== CENTRAL.signature) {
      throw damaged(`${i} members listed of ${count}`);
    }
    const nameEnd = at + CENTRAL.size + zip.readUInt16LE(at + 28);
    entries.push({
      name: zip.toString('utf8', at + CENTRAL.size, nameEnd),
      method: zip.readUInt16LE(at + 10),
      crc: zip.readUInt32LE(at + 16),
      packed: zip.readUInt32LE(at + 20),
      size: zip.readUInt32LE(at + 24),
      offset: zip.readUInt32LE(at + 42),
    });
    at = nameEnd + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return entries;
}

function readMember(zip: Buffer, { name, method, crc, packed, size, offset }: Entry): Buffer {
  if (offset + LOCAL.size > zip.length || zip.readUInt32LE(offset) !== LOCAL.signature) {
    throw damaged(`no member ${name} where it should start`);
  }
  const start = offset + LOCAL.size + zip.readUInt16LE(offset + 26) + zip.readUInt16LE(offset + 28);
  const body = zip.subarray(start, start + packed);
  if (body.length !== packed) throw damaged(`${body.length} of ${packed} bytes of ${name}`);
  const data = method === STORED ? body : inflate(body, method, size, name);
  if (data.length !== size || crc32(data) !== crc) throw damaged(`other bytes in ${name}`);
  return data;
}

function inflate(body: Buffer, method: number, size: number, name: string): Buffer {
  if (method !== DEFLATED) throw damaged(`${name} packed by method ${method}`);
  try {
    return inflateRawSync(body, { maxOutputLength: Math.max(size, 1) });
  } catch (cause) {
    throw damaged(`${name} that cannot be unpacked`, cause);
  }
}

function damaged(found: string, cause?: unknown): RunError {
  return new RunError(`Expected a whole .npz file but found ${found}.`, { cause });
}
