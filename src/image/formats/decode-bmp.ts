import { DecodeError } from '../decode-error.ts';
import { applyPalette, checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';

/**
 * Uncompressed Windows and OS/2 bitmaps with 1, 4, 8, 24 or 32 bits a pixel, read as Pillow reads
 * them (libvips has no loader for them). Run-length and 16-bit ones, and unusual channel masks, are
 * rejected.
 */
export function decodeBmp(bytes: Uint8Array, options: PixelOptions): RgbImage {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = readHeader(file);
  const { width, height, bits } = header;
  checkSize('BMP', width, height, options.maxPixels);
  const rowBytes = Math.ceil((width * bits) / 8);
  const stride = Math.ceil(rowBytes / 4) * 4;
  const palette = bits <= 8 ? readPalette(file, header) : undefined;
  // The padding of the last row may be missing.
  if (header.pixelsAt + (height - 1) * stride + rowBytes > file.length) throw cutShort();
  const rowAt = (y: number) => header.pixelsAt + (header.isTopDown ? y : height - 1 - y) * stride;
  if (palette !== undefined) {
    const indices = unpackIndices(file, rowAt, width, height, bits);
    return applyPalette(indices, palette, width, height);
  }
  const step = bits / 8;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0, i = rowAt(y); x < width; x++, i += step, o += 3) {
      data[o] = file[i + 2];
      data[o + 1] = file[i + 1];
      data[o + 2] = file[i];
    }
  }
  return { data, width, height };
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
}

const RAW = 0;
const BITFIELDS = 3;

function readHeader(file: Buffer): BmpHeader {
  if (file.length < 26) throw cutShort();
  const headerBytes = file.readUInt32LE(14);
  if (headerBytes !== 12 && ![40, 52, 56, 64, 108, 124].includes(headerBytes)) {
    throw new DecodeError(
      'unsupported_format',
      `Expected a BMP with a known header but found one of ${headerBytes} bytes.`,
    );
  }
  let paletteAt = 14 + headerBytes;
  if (file.length < paletteAt) throw cutShort();
  const isCore = headerBytes === 12;
  const bits = file.readUInt16LE(isCore ? 24 : 28);
  const compression = isCore ? RAW : file.readUInt32LE(30);
  if (![1, 4, 8, 24, 32].includes(bits)) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a BMP with 1, 4, 8, 24 or 32 bits a pixel but found ${bits}.`,
    );
  }
  if (compression !== RAW && !(compression === BITFIELDS && hasPlainMasks(file, bits))) {
    throw new DecodeError(
      'unsupported_color',
      `Expected an uncompressed BMP in BGR order but found compression ${compression}.`,
    );
  }
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
    pixelsAt: pixelsAt || paletteAt + (bits <= 8 ? entryBytes * paletteColors : 0),
  };
}

/**
 * True for 24 or 32 bits whose masks say what they are without masks: blue, green, red from the low
 * byte.
 */
function hasPlainMasks(file: Buffer, bits: number): boolean {
  const end = 14 + file.readUInt32LE(14);
  if ((bits !== 24 && bits !== 32) || file.length < 66) return false;
  const [red, green, blue] = [54, 58, 62].map((at) => file.readUInt32LE(at));
  const alpha = end >= 70 && bits === 32 ? file.readUInt32LE(66) : 0;
  return (
    red === 0xff0000 && green === 0xff00 && blue === 0xff && (alpha === 0 || alpha === 0xff000000)
  );
}

/** 256 RGB entries; beyond the end of a short palette black, as Pillow (since 10) has it. */
function readPalette(file: Buffer, header: BmpHeader): Uint8Array {
  const { paletteAt, paletteColors, entryBytes, bits } = header;
  if (paletteColors > 65536 || paletteAt + paletteColors * entryBytes > file.length) {
    throw cutShort();
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
  if (bits !== (paletteColors === 2 ? 1 : 8)) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a palette of colours for ${bits} bits a pixel but found a ramp of ${paletteColors} grays.`,
    );
  }
  if (bits === 8) for (let i = 0; i < 768; i++) palette[i] = Math.trunc(i / 3);
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

function cutShort(): DecodeError {
  return new DecodeError('truncated', 'Expected a complete BMP but found one that ends early.');
}
