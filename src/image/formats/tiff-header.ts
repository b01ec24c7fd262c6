import { DecodeError } from '../decode-error.ts';

/** The tags of the first page that decide whether and how a TIFF is decoded. */
export interface TiffHeader {
  readonly width: number;
  readonly height: number;
  /** One for each sample. */
  readonly bitsPerSample: readonly number[];
  readonly compression: number;
  readonly photometric: number;
  readonly samples: number;
  /** Meaning of the first channel beyond the colours: 1 = premultiplied alpha. */
  readonly extraSample: number;
  /** 1 = unsigned integers. */
  readonly sampleFormat: number;
}

/** Reads the first directory of a classic TIFF. Throws DecodeError `truncated`. */
export function readTiffHeader(bytes: Uint8Array): TiffHeader {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isLittle = file[0] === 0x49;
  const u16 = (at: number) => {
    if (at + 2 > file.length) throw cutShort();
    return isLittle ? file.readUInt16LE(at) : file.readUInt16BE(at);
  };
  const u32 = (at: number) => {
    if (at + 4 > file.length) throw cutShort();
    return isLittle ? file.readUInt32LE(at) : file.readUInt32BE(at);
  };
  const directory = u32(4);
  const values = new Map<number, number[]>();
  for (let i = 0; i < u16(directory); i++) {
    // Tag, type, count, then the value or its position.
    const entry = directory + 2 + i * 12;
    const type = u16(entry + 2);
    const size = type === 3 ? 2 : type === 4 ? 4 : 0;
    const count = Math.min(u32(entry + 4), 8);
    if (size === 0) continue;
    const at = count * size <= 4 ? entry + 8 : u32(entry + 8);
    const read = size === 2 ? u16 : u32;
    values.set(
      u16(entry),
      Array.from({ length: count }, (_, k) => read(at + k * size)),
    );
  }
  const one = (tag: number, absent: number) => values.get(tag)?.[0] ?? absent;
  return {
    width: one(256, 0),
    height: one(257, 0),
    bitsPerSample: values.get(258) ?? [1],
    compression: one(259, 1),
    photometric: one(262, 0),
    samples: one(277, 1),
    extraSample: one(338, 0),
    sampleFormat: one(339, 1),
  };
}

function cutShort(): DecodeError {
  return new DecodeError('truncated', 'Expected a complete TIFF but found one that ends early.');
}
