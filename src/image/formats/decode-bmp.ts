import { DecodeError, endsEarly } from '../decode-error.ts';
import { applyPalette, checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';

/**
 * Windows and OS/2 bitmaps with 1, 4, 8, 16, 24 or 32 bits a pixel, raw, run-length coded or with channel masks, read
 * as Pillow reads them (libvips has no loader for them).
 */
export function decodeBmp(bytes: Uint8Array, options: PixelOptions): RgbImage {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = readHeader(file);
  const { width, height, bits, isRle, pixelsAt } = header;
  checkSize('BMP', width, height, options.maxPixels);
  const palette = bits <= 8 ? readPalette(file, header) : undefined;
  const rowBytes = Math.ceil((width * bits) / 8);
  const stride = Math.ceil(rowBytes / 4) * 4;
  // The padding of the last row may be missing.
  if (!isRle && pixelsAt + (height - 1) * stride + rowBytes > file.length) throw endsEarly('BMP');
  const toRow = (y: number) => (header.isTopDown ? y : height - 1 - y);
  if (palette !== undefined) {
    const indices = isRle
      ? uprightRows(decodeBmpRle(file, pixelsAt, header), width, height, toRow)
      : unpackIndices(file, (y) => pixelsAt + toRow(y) * stride, width, height, bits);
    return applyPalette(indices, palette, width, height);
  }
  const data = new Uint8Array(width * height * 3);
  const unpack = bits === 16 ? unpack16 : unpackBytes;
  for (let y = 0; y < height; y++) {
    unpack(file, pixelsAt + toRow(y) * stride, header, data, y * width * 3);
  }
  return { data, width, height };
}

/** One row of 24 or 32 bits a pixel. */
function unpackBytes(
  file: Buffer,
  start: number,
  { width, bits, channels: [red, green, blue] }: BmpHeader,
  data: Uint8Array,
  offset: number,
): void {
  const step = bits / 8;
  for (let x = 0, i = start, o = offset; x < width; x++, i += step, o += 3) {
    data[o] = file[i + red];
    data[o + 1] = file[i + green];
    data[o + 2] = file[i + blue];
  }
}

/** One row of 16 bits a pixel: blue in the low 5 bits, red in the 5 above green's 5 or 6; each spread over a byte. */
function unpack16(
  file: Buffer,
  start: number,
  { width, greenBits }: BmpHeader,
  data: Uint8Array,
  offset: number,
): void {
  const greenMost = (1 << greenBits) - 1;
  for (let x = 0, i = start, o = offset; x < width; x++, i += 2, o += 3) {
    const pixel = file[i] | (file[i + 1] << 8);
    data[o] = Math.trunc((((pixel >> (5 + greenBits)) & 31) * 255) / 31);
    data[o + 1] = Math.trunc((((pixel >> 5) & greenMost) * 255) / greenMost);
    data[o + 2] = Math.trunc(((pixel & 31) * 255) / 31);
  }
}

function uprightRows(
  stored: Uint8Array,
  width: number,
  height: number,
  toRow: (y: number) => number,
): Uint8Array {
  const rows = new Uint8Array(stored.length);
  for (let y = 0; y < height; y++) {
    rows.set(stored.subarray(toRow(y) * width, (toRow(y) + 1) * width), y * width);
  }
  return rows;
}

interface BmpHeader {
  readonly width: number;
  readonly height: number;
  readonly isTopDown: boolean;
  readonly bits: number;
  readonly paletteAt: number;
  readonly paletteColors: number;
  /** Bytes of a palette entry: blue, green, red, and a spare byte except in the oldest kind. */
  readonly entryBytes: number;
  readonly pixelsAt: number;
  readonly isRle: boolean;
  /** Of 24 or 32 bits: which byte of a pixel holds red, green, blue. */
  readonly channels: readonly [number, number, number];
  /** Of 16 bits: 5 or 6. */
  readonly greenBits: number;
}

const RAW = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;
const BGR = [2, 1, 0] as const;

/** Pillow's: by the masks of red, green, blue and, of 32 bits, alpha; where a pixel's channels are. */
const MASKS: Readonly<Record<string, Pick<BmpHeader, 'channels' | 'greenBits'>>> = {
  '32 ff0000 ff00 ff 0': { channels: BGR, greenBits: 0 },
  '32 ff0000 ff00 ff ff000000': { channels: BGR, greenBits: 0 },
  '32 0 0 0 0': { channels: BGR, greenBits: 0 },
  '32 ff000000 ff0000 ff00 0': { channels: [3, 2, 1], greenBits: 0 },
  '32 ff000000 ff0000 ff00 ff': { channels: [3, 2, 1], greenBits: 0 },
  '32 ff000000 ff00 ff 0': { channels: [3, 1, 0], greenBits: 0 },
  '32 ff000000 ff00 ff ff0000': { channels: [3, 1, 0], greenBits: 0 },
  '32 ff ff00 ff0000 ff000000': { channels: [0, 1, 2], greenBits: 0 },
  '24 ff0000 ff00 ff': { channels: BGR, greenBits: 0 },
  '16 f800 7e0 1f': { channels: BGR, greenBits: 6 },
  '16 7c00 3e0 1f': { channels: BGR, greenBits: 5 },
};

function readHeader(file: Buffer): BmpHeader {
  if (file.length < 26) throw endsEarly('BMP');
  const headerBytes = file.readUInt32LE(14);
  if (headerBytes !== 12 && ![40, 52, 56, 64, 108, 124].includes(headerBytes)) {
    throw new DecodeError(
      'unsupported_format',
      `Expected a BMP with a known header but found one of ${headerBytes} bytes.`,
    );
  }
  let paletteAt = 14 + headerBytes;
  if (file.length < paletteAt) throw endsEarly('BMP');
  const isCore = headerBytes === 12;
  const bits = file.readUInt16LE(isCore ? 24 : 28);
  const compression = isCore ? RAW : file.readUInt32LE(30);
  if (![1, 4, 8, 16, 24, 32].includes(bits)) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a BMP with 1, 4, 8, 16, 24 or 32 bits a pixel but found ${bits}.`,
    );
  }
  const isRle = (compression === RLE8 && bits === 8) || (compression === RLE4 && bits === 4);
  if (compression !== RAW && compression !== BITFIELDS && !isRle) {
    throw new DecodeError(
      'unsupported_format',
      `Expected a BMP that is raw or run-length coded but found compression ${compression} at ${bits} bits a pixel.`,
    );
  }
  const layout =
    compression === BITFIELDS ? readMasks(file, bits) : { channels: BGR, greenBits: 5 };
  if (compression === BITFIELDS && headerBytes === 40) paletteAt += 12;
  const entryBytes = isCore ? 3 : 4;
  const paletteColors = (isCore ? 0 : file.readUInt32LE(46)) || 1 << bits;
  const isFlipped = !isCore && file[25] === 0xff;
  let pixelsAt = file.readUInt32LE(10);
  if (pixelsAt === 14 + headerBytes && bits <= 8) pixelsAt += entryBytes * paletteColors;
  return {
    width: isCore ? file.readUInt16LE(18) : file.readUInt32LE(18),
    height: isCore
      ? file.readUInt16LE(20)
      : isFlipped
        ? 2 ** 32 - file.readUInt32LE(22)
        : file.readUInt32LE(22),
    isTopDown: isFlipped,
    bits,
    paletteAt,
    paletteColors,
    entryBytes,
    isRle,
    ...layout,
    pixelsAt: pixelsAt || paletteAt + (bits <= 8 ? entryBytes * paletteColors : 0),
  };
}

function readMasks(file: Buffer, bits: number): Pick<BmpHeader, 'channels' | 'greenBits'> {
  const headerBytes = file.readUInt32LE(14);
  const count = bits === 32 ? 4 : 3;
  if (file.length < 66) throw endsEarly('BMP');
  const masks = [54, 58, 62, 66].slice(0, count).map((at) => {
    // Headers of less than 56 bytes have no mask of alpha.
    return at < 66 || headerBytes >= 56 ? file.readUInt32LE(at).toString(16) : '0';
  });
  const layout = MASKS[`${bits} ${masks.join(' ')}`];
  if (layout !== undefined) return layout;
  throw new DecodeError(
    'unsupported_color',
    `Expected a BMP with channels of a known order but found the masks ${masks.join(', ')} of ${bits} bits.`,
  );
}

/** 256 RGB entries; beyond the end of a short palette black, as Pillow (since 10) has it. */
function readPalette(file: Buffer, header: BmpHeader): Uint8Array {
  const { paletteAt, paletteColors, entryBytes, bits, isRle } = header;
  if (paletteColors > 65536 || paletteAt + paletteColors * entryBytes > file.length) {
    throw endsEarly('BMP');
  }
  const palette = new Uint8Array(768);
  let isGrayRamp = true;
  for (let i = 0; i < Math.min(paletteColors, 256); i++) {
    const gray = paletteColors === 2 ? i * 255 : i;
    for (let channel = 0; channel < 3; channel++) {
      const value = file[paletteAt + i * entryBytes + 2 - channel];
      palette[i * 3 + channel] = value;
      if (value !== gray) isGrayRamp = false;
    }
  }
  if (!isGrayRamp) return palette;
  // Pillow drops a gray palette and then takes the rows for 1-bit or 8-bit gray, whatever they are.
  if (isRle ? paletteColors === 2 : bits !== (paletteColors === 2 ? 1 : 8)) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a palette of colours for ${bits} bits a pixel but found a ramp of ${paletteColors} grays.`,
    );
  }
  if (bits !== 1) for (let i = 0; i < 768; i++) palette[i] = Math.trunc(i / 3);
  return palette;
}

function unpackIndices(
  file: Buffer,
  rowAt: (y: number) => number,
  width: number,
  height: number,
  bits: number,
): Uint8Array {
  const indices = new Uint8Array(width * height);
  const mask = (1 << bits) - 1;
  for (let y = 0, o = 0; y < height; y++) {
    const row = rowAt(y);
    for (let x = 0; x < width; x++, o++) {
      const bit = x * bits;
      // The leftmost pixel sits in the highest bits of its byte.
      indices[o] = (file[row + (bit >> 3)] >> (8 - bits - (bit & 7))) & mask;
    }
  }
  return indices;
}

/**
 * Run-length coded BMP pixels, from `start` on, to one index a byte, rows as they are stored, as Pillow 13 does (before, it lost a
 * pixel in runs of odd length that are written out with 4 bits a pixel). Never more than `width * height` bytes.
 *
 * @throws DecodeError `truncated` where the codes end before the picture is full
 */
function decodeBmpRle(
  file: Uint8Array,
  start: number,
  {
    width,
    height,
    bits,
  }: { readonly width: number; readonly height: number; readonly bits: number },
): Uint8Array {
  const out = new Uint8Array(width * height);
  const nibble = (byte: number, i: number) => (i % 2 === 0 ? byte >> 4 : byte & 15);
  let o = 0;
  // Where in its row a run begins; it stays at the end of a full row until the code for that row's end comes.
  let x = 0;
  let at = start;
  while (o < out.length && at + 2 <= file.length) {
    const count = file[at];
    const value = file[at + 1];
    at += 2;
    if (count > 0) {
      const fitting = Math.min(count, Math.max(0, width - x), out.length - o);
      for (let i = 0; i < fitting; i++) out[o++] = bits === 4 ? nibble(value, i) : value;
      x += fitting;
    } else if (value === 0) {
      o = Math.ceil(o / width) * width;
      x = 0;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      if (at + 2 > file.length) break;
      o = Math.min(out.length, o + file[at] + file[at + 1] * width);
      x = o % width;
      at += 2;
    } else {
      const fitting = Math.min(value, out.length - o);
      const bytes = bits === 4 ? Math.ceil(fitting / 2) : fitting;
      if (at + bytes > file.length) break;
      for (let i = 0; i < fitting; i++) {
        out[o++] = bits === 4 ? nibble(file[at + (i >> 1)], i) : file[at + i];
      }
      x += value;
      // To an even position in the file.
      at += bytes;
      at += at % 2;
    }
  }
  if (o < out.length) {
    throw new DecodeError(
      'truncated',
      `Expected a BMP of ${out.length} pixels but found run lengths for ${o}.`,
    );
  }
  return out;
}
