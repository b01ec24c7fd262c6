import { crc32, deflateSync } from 'node:zlib';

// Small image files written byte by byte, so that a test shows what it feeds in.

/** A PNG with one IDAT; `rows` are unfiltered scan lines without their filter byte. */
export function makePng(png: {
  width: number;
  height: number;
  depth: number;
  colorType: number;
  rows: number[][];
  extra?: Buffer[];
}): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(png.width, 0);
  header.writeUInt32BE(png.height, 4);
  header.set([png.depth, png.colorType, 0, 0, 0], 8);
  const raw = Buffer.from(png.rows.flatMap((row) => [0, ...row]));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    ...(png.extra ?? []),
    pngChunk('IDAT', deflateSync(raw)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

export function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

/**
 * A GIF; each frame's indices are below 4 and stored as 3-bit codes with a clear before each one.
 */
export function makeGif(gif: {
  width: number;
  height: number;
  palette?: number[];
  frames: {
    left?: number;
    top?: number;
    width: number;
    height: number;
    indices: number[];
    transparent?: number;
    isInterlaced?: boolean;
  }[];
}): Buffer {
  const screen = Buffer.alloc(7);
  screen.writeUInt16LE(gif.width, 0);
  screen.writeUInt16LE(gif.height, 2);
  // 0x81: a global palette of 4 entries.
  screen[4] = gif.palette === undefined ? 0 : 0x81;
  const parts: Uint8Array[] = [Buffer.from('GIF89a'), screen, Buffer.from(gif.palette ?? [])];
  for (const frame of gif.frames) {
    if (frame.transparent !== undefined) {
      parts.push(Buffer.of(0x21, 0xf9, 4, 1, 0, 0, frame.transparent, 0));
    }
    const descriptor = Buffer.alloc(10);
    descriptor[0] = 0x2c;
    descriptor.writeUInt16LE(frame.left ?? 0, 1);
    descriptor.writeUInt16LE(frame.top ?? 0, 3);
    descriptor.writeUInt16LE(frame.width, 5);
    descriptor.writeUInt16LE(frame.height, 7);
    descriptor[9] = frame.isInterlaced ? 0x40 : 0;
    const data = packCodes([...frame.indices.flatMap((index) => [4, index]), 5]);
    parts.push(descriptor, Buffer.of(2, data.length), data, Buffer.of(0));
  }
  return Buffer.concat([...parts, Buffer.of(0x3b)]);
}

/** 3-bit codes, lowest bit first. */
function packCodes(codes: number[]): Buffer {
  const bytes = Buffer.alloc(Math.ceil((codes.length * 3) / 8));
  codes.forEach((code, i) => {
    for (let bit = 0; bit < 3; bit++) {
      const at = i * 3 + bit;
      bytes[at >> 3] |= ((code >> bit) & 1) << (at & 7);
    }
  });
  return bytes;
}

/** A BMP with a 40-byte header; `rows` are stored from the bottom up and padded to 4 bytes here. */
export function makeBmp(bmp: {
  width: number;
  height: number;
  bits: number;
  rows: number[][];
  palette?: number[];
  compression?: number;
}): Buffer {
  const palette = Buffer.from(bmp.palette ?? []);
  const head = Buffer.alloc(54);
  head.write('BM', 'latin1');
  head.writeUInt32LE(54 + palette.length, 10);
  head.writeUInt32LE(40, 14);
  head.writeUInt32LE(bmp.width, 18);
  head.writeInt32LE(bmp.height, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(bmp.bits, 28);
  head.writeUInt32LE(bmp.compression ?? 0, 30);
  head.writeUInt32LE(palette.length / 4, 46);
  const rows = bmp.rows.map((row) =>
    Buffer.concat([Buffer.from(row), Buffer.alloc((4 - (row.length % 4)) % 4)]),
  );
  return Buffer.concat([head, palette, ...rows]);
}

/** Deterministic RGB noise on a slope: something for a codec to get wrong. */
export function makePixels(width: number, height: number): Buffer {
  let state = 12345;
  return Buffer.from(
    Array.from({ length: width * height * 3 }, (_, i) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (((i * 5) % 200) + (state >>> 27)) & 255;
    }),
  );
}
