import { endsEarly } from '../decode-error.ts';

/** What the tags of the first page say that decides whether and how a TIFF is decoded. */
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
  /** 2 = the samples are in planes. */
  readonly planarConfiguration: number;
  /** Of a strip or a tile, in pixels. */
  readonly partWidth: number;
  readonly partHeight: number;
  readonly isTiled: boolean;
  /** How many strips or tiles there are. */
  readonly parts: number;
  /** 16-bit values: all reds, all greens, all blues. */
  readonly colorMap: readonly number[];
  readonly orientation: number | undefined;
  readonly xmp: Uint8Array | undefined;
}

const NO_LIMIT = 2 ** 32 - 1;
const XMP = 700;

/** Reads the first directory of a classic TIFF. Throws DecodeError `truncated`. */
export function readTiffHeader(bytes: Uint8Array): TiffHeader {
  const { entries, numbers } = readDirectory(bytes);
  const one = (tag: number, absent: number) => numbers(tag)[0] ?? absent;
  const width = one(256, 0);
  const height = one(257, 0);
  const isTiled = entries.has(322);
  const xmp = entries.get(XMP);
  const bitsPerSample = numbers(258);
  return {
    width,
    height,
    bitsPerSample: bitsPerSample.length > 0 ? bitsPerSample : [1],
    compression: one(259, 1),
    photometric: one(262, 0),
    samples: one(277, 1),
    extraSample: one(338, 0),
    sampleFormat: one(339, 1),
    planarConfiguration: one(284, 1),
    partWidth: isTiled ? one(322, 0) : width,
    partHeight: isTiled ? one(323, 0) : Math.min(one(278, NO_LIMIT), height),
    isTiled,
    parts: entries.get(isTiled ? 324 : 273)?.count ?? 0,
    colorMap: numbers(320, 768),
    orientation: numbers(274)[0],
    xmp: xmp && bytes.subarray(xmp.at, xmp.at + xmp.count),
  };
}

interface TiffDirectory {
  /** By tag: where the values are, and how many. */
  readonly entries: ReadonlyMap<number, TiffEntry>;
  /** At most so many of a tag's values; none where they are no 16-bit or 32-bit integers. */
  readonly numbers: (tag: number, most?: number) => number[];
}

interface TiffEntry {
  readonly type: number;
  readonly count: number;
  readonly at: number;
}

const SHORT = 3;
const LONG = 4;
/** Bytes of a value, by type. */
const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];

/** The first directory of a TIFF, or of the EXIF of another file. Throws DecodeError `truncated`. */
export function readDirectory(bytes: Uint8Array): TiffDirectory {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const { u16, u32 } = integersOf(file);
  const directory = u32(4);
  const entries = new Map<number, TiffEntry>();
  for (let i = 0; i < u16(directory); i++) {
    // Tag, type, count, then the value or its position.
    const entry = directory + 2 + i * 12;
    const type = u16(entry + 2);
    const count = u32(entry + 4);
    const isInside = count * (SIZES[type] ?? 0) <= 4;
    entries.set(u16(entry), { type, count, at: isInside ? entry + 8 : u32(entry + 8) });
  }
  const numbers = (tag: number, most = 8) => {
    const { type, count, at } = entries.get(tag) ?? { type: 0, count: 0, at: 0 };
    if (type !== SHORT && type !== LONG) return [];
    const read = type === SHORT ? u16 : u32;
    return Array.from({ length: Math.min(count, most) }, (_, k) => read(at + k * SIZES[type]));
  };
  return { entries, numbers };
}

/** What a decoder makes pixels from; EXIF, GeoTIFF, profiles and unknown tags are not among them. */
const PIXEL_TAGS = [
  256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325,
  338, 339, 347, 530, 531, 532,
];
const EXTRA_SAMPLES = 338;

/** A copy of the file with one directory, without metadata, and with no alpha that a decoder would divide by. */
export function keepPixelTags(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes);
  const { u16, u32, isLittle } = integersOf(file);
  const directory = u32(4);
  const count = u16(directory);
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const entry = directory + 2 + i * 12;
    const tag = u16(entry);
    if (!PIXEL_TAGS.includes(tag)) continue;
    const target = directory + 2 + kept++ * 12;
    file.copy(file, target, entry, entry + 12);
    if (tag === EXTRA_SAMPLES && u32(target + 4) === 1) file.fill(0, target + 8, target + 12);
  }
  // No directory follows; the four bytes for its position are there, as those of the last entry are.
  file.fill(0, directory + 2 + kept * 12, directory + 6 + kept * 12);
  if (isLittle) file.writeUInt16LE(kept, directory);
  else file.writeUInt16BE(kept, directory);
  return file;
}

function integersOf(file: Buffer) {
  const isLittle = file[0] === 0x49;
  const u16 = (at: number) => {
    if (at + 2 > file.length) throw endsEarly('TIFF');
    return isLittle ? file.readUInt16LE(at) : file.readUInt16BE(at);
  };
  const u32 = (at: number) => {
    if (at + 4 > file.length) throw endsEarly('TIFF');
    return isLittle ? file.readUInt32LE(at) : file.readUInt32BE(at);
  };
  return { u16, u32, isLittle };
}
