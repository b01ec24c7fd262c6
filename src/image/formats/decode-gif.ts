import { DecodeError, endsEarly } from '../decode-error.ts';
import { applyPalette, checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';

/**
 * The first frame of a GIF as Pillow shows it.
 *
 * Not through libvips: it composites onto a transparent canvas and so loses the colours under
 * transparency, which `convert('RGB')` keeps, and it shows frames whose data end early.
 */
export function decodeGif(bytes: Uint8Array, options: PixelOptions): RgbImage {
  const frame = readFirstFrame(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  // Pillow enlarges the canvas for a frame that reaches beyond it.
  const width = Math.max(frame.canvasWidth, frame.left + frame.width);
  const height = Math.max(frame.canvasHeight, frame.top + frame.height);
  checkSize('GIF', frame.width, frame.height, options.maxPixels);
  checkSize('GIF', width, height, options.maxPixels);
  const pixels = decodeLzw(frame.data, frame.width * frame.height);
  const indices = new Uint8Array(width * height).fill(frame.transparentIndex ?? 0);
  const rows = frame.isInterlaced ? interlacedRows(frame.height) : undefined;
  for (let i = 0; i < frame.height; i++) {
    const row = pixels.subarray(i * frame.width, (i + 1) * frame.width);
    indices.set(row, (frame.top + (rows?.[i] ?? i)) * width + frame.left);
  }
  return applyPalette(indices, fullPalette(frame.palette), width, height);
}

/**
 * Where the rows of an interlaced frame go, in the order they are stored: every 8th, 8th, 4th, 2nd.
 */
function interlacedRows(height: number): number[] {
  const rows: number[] = [];
  for (const [start, step] of [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ]) {
    for (let y = start; y < height; y += step) rows.push(y);
  }
  return rows;
}

interface GifFrame {
  readonly canvasWidth: number;
  readonly canvasHeight: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly isInterlaced: boolean;
  readonly transparentIndex: number | undefined;
  /** RGB entries, local before global; undefined where the file has none. */
  readonly palette: Uint8Array | undefined;
  /** LZW code size and data blocks with their terminator. */
  readonly data: Uint8Array;
}

function readFirstFrame(file: Buffer): GifFrame {
  const need = (end: number) => {
    if (end > file.length) throw endsEarly('GIF');
    return end;
  };
  need(13);
  let at = 13;
  let palette: Uint8Array | undefined;
  if (file[10] & 0x80) {
    const end = need(at + (6 << (file[10] & 7)));
    palette = file.subarray(at, end);
    at = end;
  }
  let transparentIndex: number | undefined;
  for (;;) {
    need(at + 1);
    const introducer = file[at];
    if (introducer === 0x2c) break;
    if (introducer === 0x3b) {
      throw new DecodeError('corrupt', 'Expected a GIF with a picture but found none.');
    }
    if (introducer !== 0x21) {
      throw new DecodeError('corrupt', `Expected a GIF block at byte ${at} but found other data.`);
    }
    // Graphic control: flags, delay (2 bytes), transparent index.
    if (file[at + 1] === 0xf9) {
      need(at + 7);
      if (file[at + 2] >= 4 && file[at + 3] & 1) transparentIndex = file[at + 6];
    }
    at = skipBlocks(file, at + 2);
  }
  const descriptor = file.subarray(at + 1, need(at + 10));
  at += 10;
  if (descriptor[8] & 0x80) {
    const end = need(at + (6 << (descriptor[8] & 7)));
    palette = file.subarray(at, end);
    at = end;
  }
  return {
    canvasWidth: file.readUInt16LE(6),
    canvasHeight: file.readUInt16LE(8),
    left: descriptor.readUInt16LE(0),
    top: descriptor.readUInt16LE(2),
    width: descriptor.readUInt16LE(4),
    height: descriptor.readUInt16LE(6),
    isInterlaced: (descriptor[8] & 0x40) !== 0,
    transparentIndex,
    palette,
    data: file.subarray(at, skipBlocks(file, need(at + 1))),
  };
}

/** The position after a chain of data blocks and its terminator. */
function skipBlocks(file: Buffer, start: number): number {
  let at = start;
  for (;;) {
    if (at >= file.length) throw endsEarly('GIF');
    const size = file[at];
    at += 1 + size;
    if (size === 0) return at;
  }
}

/**
 * 256 entries: gray without a palette, black beyond the end of a short one, as Pillow (since 10)
 * has it.
 */
function fullPalette(palette: Uint8Array | undefined): Uint8Array {
  const full = new Uint8Array(768);
  const isGrayRamp = palette?.every((value, i) => value === Math.trunc(i / 3)) ?? true;
  if (palette !== undefined && !isGrayRamp) full.set(palette);
  else for (let i = 0; i < 768; i++) full[i] = Math.trunc(i / 3);
  return full;
}

const MAX_CODES = 4096;

/**
 * Undoes GIF's LZW: exactly `count` palette indices, or an error. libvips takes a stream that ends
 * early for a picture with a transparent rest; Pillow refuses it, and so does this.
 *
 * @param data the minimum code size, then length-prefixed blocks
 * @throws DecodeError `truncated` when the data end before `count` indices, `corrupt` for an
 * impossible code
 */
export function decodeLzw(data: Uint8Array, count: number): Uint8Array {
  const rootBits = data[0];
  if (rootBits < 1 || rootBits > 11) throw impossible(`a code size of ${rootBits} bits`);
  const clear = 1 << rootBits;
  const end = clear + 1;
  // Each code is the string of another code and one more index.
  const prefix = new Uint16Array(MAX_CODES);
  const suffix = new Uint8Array(MAX_CODES);
  const stack = new Uint8Array(MAX_CODES + 1);
  const out = new Uint8Array(count);
  let filled = 0;
  let codeBits = rootBits + 1;
  let next = clear + 2;
  let previous = -1;
  let first = 0;
  let at = 1;
  let blockLeft = 0;
  let bits = 0;
  let bitCount = 0;
  while (filled < count) {
    while (bitCount < codeBits) {
      if (blockLeft === 0) {
        blockLeft = data[at++] ?? 0;
        if (blockLeft === 0) throw cutShort(filled, count);
      }
      bits |= data[at++] << bitCount;
      bitCount += 8;
      blockLeft--;
    }
    const code = bits & ((1 << codeBits) - 1);
    bits >>>= codeBits;
    bitCount -= codeBits;
    if (code === clear) {
      codeBits = rootBits + 1;
      next = clear + 2;
      previous = -1;
      continue;
    }
    if (code === end) throw cutShort(filled, count);
    if (previous < 0 ? code >= clear : code > next) throw impossible(`code ${code}`);
    let depth = 0;
    let link = code;
    if (previous >= 0 && code === next) {
      // The string that is about to be defined: the previous one and its own first index.
      stack[depth++] = first;
      link = previous;
    }
    while (link >= clear) {
      stack[depth++] = suffix[link];
      link = prefix[link];
    }
    first = link;
    stack[depth++] = first;
    while (depth > 0 && filled < count) out[filled++] = stack[--depth];
    if (previous >= 0 && next < MAX_CODES) {
      prefix[next] = previous;
      suffix[next] = first;
      next++;
      // A full table keeps its 12 bits until the next clear.
      if (next === 1 << codeBits && codeBits < 12) codeBits++;
    }
    previous = code;
  }
  return out;
}

function cutShort(filled: number, count: number): DecodeError {
  return new DecodeError(
    'truncated',
    `Expected a GIF frame of ${count} pixels but found data for ${filled}.`,
  );
}

function impossible(what: string): DecodeError {
  return new DecodeError('corrupt', `Expected undamaged GIF data but found ${what}.`);
}
