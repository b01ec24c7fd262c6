import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';

export interface WheelEntry {
  readonly name: string;
  readonly text: string;
  /** Unix mode, 0o644 when not given. */
  readonly mode?: number;
}

/** Writes a ZIP file of stored (not compressed) entries; returns its size and SHA-256. */
export async function makeWheel(
  path: string,
  entries: readonly WheelEntry[],
): Promise<{ bytes: number; sha256: string }> {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const { name, text, mode = 0o644 } of entries) {
    const nameBytes = Buffer.from(name);
    const data = Buffer.from(text);
    const shared = Buffer.alloc(26); // from "version needed" to the lengths, as in both headers
    shared.writeUInt16LE(20, 0);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt32LE(data.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, nameBytes, data]);
    const rest = Buffer.alloc(14); // comment length, disk, attributes, offset
    rest.writeUInt32LE((mode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    centrals.push(Buffer.from('PK\x01\x02'), Buffer.from([20, 3]), shared, rest, nameBytes);
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  const file = Buffer.concat([...locals, central, Buffer.from('PK\x05\x06'), end]);
  await writeFile(path, file);
  return { bytes: file.length, sha256: createHash('sha256').update(file).digest('hex') };
}

function crc32(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
