/**
 * Makes files that are made to harm a decoder, the same bytes every time:
 * `node scripts/make-hostile-images.mjs <folder>`. Each has its expected outcome.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { drawImage } from './draw-images.mjs';

/**
 * @typedef {object} HostileImage
 * @property {Buffer} bytes
 * @property {string} end `row`, or the reason of its rejection
 */

const text = (/** @type {string} */ content) => Buffer.from(content, 'latin1');
const u32 = (/** @type {number[]} */ ...values) => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => void bytes.writeUInt32BE(value >>> 0, 4 * i));
  return bytes;
};
const u16 = (/** @type {number[]} */ ...values) =>
  Buffer.concat(values.map((value) => Buffer.of(value >> 8, value & 255)));
const u16le = (/** @type {number[]} */ ...values) =>
  Buffer.concat(values.map((value) => Buffer.of(value & 255, value >> 8)));

/** @returns {Promise<Record<string, HostileImage>>} by name, with its extension */
export async function hostileImages() {
  const { data, width, height } = drawImage('ring', { seed: 11, minSize: 40, maxSize: 40 });
  const image = () => sharp(data, { raw: { width, height, channels: 3 } });
  const jpeg = await image().jpeg().toBuffer();
  const progressive = await image().jpeg({ progressive: true }).toBuffer();
  const png = await image().png().toBuffer();
  const webp = await image().webp().toBuffer();
  const gif = await image().gif().toBuffer();
  const avif = await image().avif().toBuffer();
  const tiff = await image().tiff().toBuffer();

  /** @type {Record<string, HostileImage>} */
  const files = {};
  const add = (
    /** @type {string} */ name,
    /** @type {Buffer} */ bytes,
    /** @type {string} */ end,
  ) => {
    files[name] = { bytes, end };
  };

  addGiants(add, { jpeg, webp });
  addBombs(add, { progressive, png });
  addMetadata(add, { jpeg, png, webp });
  addLies(add, { jpeg, png, webp, gif, avif, tiff });
  addDamage(add, { jpeg, progressive, png, webp, gif });
  return files;
}

/**
 * Small files that claim to be huge.
 * @param {(name: string, bytes: Buffer, end: string) => void} add
 * @param {Record<string, Buffer>} good
 */
function addGiants(add, { jpeg, webp }) {
  const max = 0x7fffffff;
  const noRows = chunk('IDAT', deflateSync(Buffer.alloc(16)));
  add('giant-40000.png', pngOf({ width: 40_000, height: 40_000 }, noRows), 'too_many_pixels');
  add('giant-wide.png', pngOf({ width: max, height: 1 }, noRows), 'too_many_pixels');
  add('giant-tall.png', pngOf({ width: 1, height: max }, noRows), 'too_many_pixels');
  add('giant-square.png', pngOf({ width: max, height: max }, noRows), 'too_many_pixels');
  add(
    'giant-rgba16.png',
    pngOf({ width: 65_000, height: 65_000, depth: 16, color: 6 }, noRows),
    'too_many_pixels',
  );
  add('zero-width.png', pngOf({ width: 0, height: 9 }, noRows), 'corrupt');
  add('zero-height.png', pngOf({ width: 9, height: 0 }, noRows), 'corrupt');
  add('giant.jpg', patch(jpeg, frameAt(jpeg) + 5, u16(65_535, 65_535)), 'too_many_pixels');
  add('giant-tall.jpg', patch(jpeg, frameAt(jpeg) + 5, u16(65_500, 40)), 'corrupt');
  add('zero-height.jpg', patch(jpeg, frameAt(jpeg) + 5, u16(0, 40)), 'corrupt');
  add('giant-canvas.gif', gifOf(65_535, 65_535, [[0, 0, 1, 1]]), 'too_many_pixels');
  add('giant-frame.gif', gifOf(1, 1, [[0, 0, 65_535, 65_535]]), 'too_many_pixels');
  add('giant-offset.gif', gifOf(1, 1, [[65_534, 65_534, 1, 1]]), 'too_many_pixels');
  add('zero-frame.gif', gifOf(1, 1, [[0, 0, 0, 0]]), 'corrupt');
  add('giant.bmp', bmpOf(0x7fffffff, 0x7fffffff, 24), 'too_many_pixels');
  add('giant-negative.bmp', bmpOf(40_000, -40_000, 24), 'too_many_pixels');
  add('giant-rows-missing.bmp', bmpOf(7000, 7000, 24), 'truncated');
  add('zero.bmp', bmpOf(0, 0, 24), 'corrupt');
  add('palette-bomb.bmp', bmpOf(1, 1, 8, 0xffffffff), 'truncated');
  add(
    'giant-vp8x.webp',
    webpOf('VP8X', Buffer.of(0, 0, 0, 0, 255, 255, 255, 255, 255, 255)),
    'too_many_pixels',
  );
  add(
    'giant-lossless.webp',
    webpOf('VP8L', Buffer.of(0x2f, 255, 255, 255, 7, 0, 0, 0, 0, 0)),
    'too_many_pixels',
  );
  add('giant-lossy.webp', patch(webp, 26, Buffer.of(0xff, 0x3f, 0xff, 0x3f)), 'too_many_pixels');
  add('giant.tiff', tiffOf(0xffffffff, 0xffffffff), 'unsupported_format');
}

/**
 * Small files that are a lot of work.
 * @param {(name: string, bytes: Buffer, end: string) => void} add
 * @param {Record<string, Buffer>} good
 */
function addBombs(add, { progressive, png }) {
  const lastScan = progressive.lastIndexOf(text('\xff\xda'));
  const scan = progressive.subarray(lastScan, -2);
  const scans = (/** @type {number} */ n) =>
    Buffer.concat([progressive.subarray(0, -2), ...Array(n).fill(scan), text('\xff\xd9')]);
  add('scans-85.jpg', scans(85), 'corrupt');
  add('scans-1000.jpg', scans(1000), 'corrupt');
  add('scans-100000.jpg', scans(100_000), 'corrupt');
  const grey = Buffer.alloc(7001 * 7000, Buffer.concat([Buffer.of(0), Buffer.alloc(7000, 128)]));
  add(
    'inflates-a-thousandfold.png',
    pngOf({ width: 7000, height: 7000, color: 0 }, chunk('IDAT', deflateSync(grey, { level: 9 }))),
    'row',
  );
  const tooMuch = deflateSync(Buffer.alloc(64 << 20), { level: 9 });
  add('more-data-than-rows.png', pngOf({ width: 4, height: 4 }, chunk('IDAT', tooMuch)), 'row');
  // Pillow unpacks texts and profiles and refuses these two; here metadata are not read at all.
  const textBomb = chunk('zTXt', Buffer.concat([text('bomb\0\0'), tooMuch]));
  add('text-bomb.png', withChunks(png, textBomb), 'row');
  const iccBomb = chunk('iCCP', Buffer.concat([text('bomb\0\0'), tooMuch]));
  add('icc-bomb.png', withChunks(png, iccBomb), 'row');
  add(
    'many-chunks.png',
    withChunks(png, Buffer.concat(Array(50_000).fill(chunk('tEXt', text('a\0b'))))),
    'row',
  );
  add(
    'many-empty-idats.png',
    withChunks(png, Buffer.concat(Array(50_000).fill(chunk('IDAT', Buffer.alloc(0))))),
    'corrupt',
  );
  add('animated-bomb.gif', gifOf(100, 100, Array(20_000).fill([0, 0, 1, 1])), 'row');
  add(
    'animated-giants.gif',
    gifOf(1, 1, [[0, 0, 1, 1], ...Array(100).fill([0, 0, 65_535, 65_535])]),
    'row',
  );
  add('endless-clears.gif', clearCodes(20_000), 'truncated');
  const control = chunk('acTL', u32(0xffffffff, 0));
  add('animated-bomb.png', withChunks(png, control), 'row');
}

/**
 * Colour profiles and EXIF that loop, are wrong or are too large.
 * @param {(name: string, bytes: Buffer, end: string) => void} add
 * @param {Record<string, Buffer>} good
 */
function addMetadata(add, { jpeg, png, webp }) {
  const exif = (/** @type {Buffer} */ body) =>
    segment(0xe1, Buffer.concat([text('Exif\0\0'), body]));
  const header = text('II*\0\x08\0\0\0');
  const entry = (
    /** @type {number} */ tag,
    /** @type {number} */ count,
    /** @type {number} */ value,
  ) =>
    Buffer.concat([
      u16le(tag, 4),
      u16le(count & 0xffff, count >>> 16),
      u16le(value & 0xffff, value >>> 16),
    ]);
  // The next directory is the first one again.
  const loop = Buffer.concat([header, u16le(1), entry(0x8769, 1, 8), u16le(8, 0)]);
  add('exif-loop.jpg', withSegments(jpeg, exif(loop)), 'row');
  const endless = Buffer.concat([header, u16le(0xffff), entry(0x0112, 0xffffffff, 0xffffffff)]);
  add('exif-endless.jpg', withSegments(jpeg, exif(endless)), 'row');
  const outside = Buffer.concat([
    header,
    u16le(1),
    entry(0x0112, 1, 0x7fffffff),
    u16le(0xffff, 0xffff),
  ]);
  add('exif-outside.jpg', withSegments(jpeg, exif(outside)), 'row');
  add('exif-empty.jpg', withSegments(jpeg, exif(Buffer.alloc(0))), 'row');
  add('many-exifs.jpg', withSegments(jpeg, ...Array(500).fill(exif(loop))), 'row');
  add('exif-loop.png', withChunks(png, chunk('eXIf', loop)), 'row');
  add('exif-loop.webp', withRiff(webp, 'EXIF', loop), 'row');
  const profile = (/** @type {number} */ n, /** @type {number} */ of, /** @type {Buffer} */ body) =>
    segment(0xe2, Buffer.concat([text('ICC_PROFILE\0'), Buffer.of(n, of), body]));
  const full = Buffer.alloc(65_000, 7);
  add(
    'icc-255-parts.jpg',
    withSegments(jpeg, ...Array.from({ length: 255 }, (_, i) => profile(i + 1, 255, full))),
    'row',
  );
  add('icc-part-missing.jpg', withSegments(jpeg, profile(2, 9, full)), 'row');
  add('icc-part-0-of-0.jpg', withSegments(jpeg, profile(0, 0, full)), 'row');
  add(
    'icc-twice-the-same.jpg',
    withSegments(jpeg, profile(1, 2, full), profile(1, 2, full)),
    'row',
  );
  // A profile that says it is 4 GB, with tags outside of itself.
  const liar = Buffer.concat([
    u32(0xffffffff),
    Buffer.alloc(124),
    u32(0xffffffff, 1, 0xffffffff, 0xffffffff),
  ]);
  add('icc-liar.jpg', withSegments(jpeg, profile(1, 1, liar)), 'row');
  add('comments.jpg', withSegments(jpeg, ...Array(300).fill(segment(0xfe, full))), 'row');
  add('thumbnail-inside.jpg', withSegments(jpeg, exif(Buffer.concat([header, jpeg]))), 'row');
}

/**
 * Other formats under an image's name, and files that are two things at once.
 * @param {(name: string, bytes: Buffer, end: string) => void} add
 * @param {Record<string, Buffer>} good
 */
function addLies(add, { jpeg, png, webp, gif, avif, tiff }) {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999"><image href="file:///etc/passwd"/></svg>';
  const laughs =
    '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><svg>&b;</svg>';
  add('svg.jpg', text(svg), 'unsupported_format');
  add('svg-entities.png', text(`<?xml version="1.0"?>${laughs}`), 'unsupported_format');
  add('svg-late.jpg', text(`${' '.repeat(100)}${svg}`), 'not_an_image');
  add('pdf.jpg', text('%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF'), 'unsupported_format');
  add('postscript.png', text('%!PS-Adobe-3.0\n(/etc/passwd) (r) file'), 'unsupported_format');
  add('heic.jpg', Buffer.concat([u32(24), text('ftypheic\0\0\0\0mif1heic')]), 'unsupported_format');
  add('avif.jpg', avif, 'unsupported_format');
  add('tiff.jpg', tiff, 'unsupported_format');
  add('bigtiff.png', text('II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0'), 'unsupported_format');
  add('jpeg-xl.jpg', text('\xff\x0a\0\0'), 'unsupported_format');
  add('openexr.png', text('v/1\x01\x02\0\0\0'), 'unsupported_format');
  add(
    'mvg.jpg',
    text('push graphic-context\nviewbox 0 0 1 1\nimage over 0,0 0,0 "|id"\n'),
    'not_an_image',
  );
  add('html.jpg', text('<!DOCTYPE html><script>alert(1)</script>'), 'unsupported_format');
  add(
    'zip.png',
    Buffer.concat([text('PK\x03\x04'), deflateRawSync(Buffer.alloc(1 << 20))]),
    'unsupported_format',
  );
  add('gzip.jpg', gzipSync(jpeg, { level: 9 }), 'unsupported_format');
  add('program.jpg', text('\x7fELF\x02\x01\x01'), 'not_an_image');
  add('script.png', text('#!/bin/sh\nrm -rf /\n'), 'not_an_image');
  add('zeros.jpg', Buffer.alloc(100_000), 'not_an_image');
  add('empty.webp', Buffer.alloc(0), 'empty_file');
  add('one-byte.gif', Buffer.of(0x47), 'not_an_image');
  add('magic-only.jpg', text('\xff\xd8\xff'), 'truncated');
  add('magic-only.png', text('\x89PNG\r\n\x1a\n'), 'truncated');
  add('magic-only.gif', text('GIF89a'), 'truncated');
  add('magic-only.webp', text('RIFF\0\0\0\0WEBP'), 'corrupt');
  add('png-magic-jpeg-body.png', Buffer.concat([png.subarray(0, 8), jpeg]), 'truncated');
  add('jpeg-magic-png-body.jpg', Buffer.concat([jpeg.subarray(0, 3), png]), 'corrupt');
  add('webp-that-is-audio.webp', patch(webp, 8, text('WAVE')), 'unsupported_format');
  // The first file of the two is the picture; what follows its end is not looked at.
  add('jpeg-then-zip.jpg', Buffer.concat([jpeg, text('PK\x03\x04')]), 'row');
  add('png-then-html.png', Buffer.concat([png, text('<script>alert(1)</script>')]), 'row');
  add('gif-then-jpeg.gif', Buffer.concat([gif, jpeg]), 'row');
  add('jpeg-then-16-mib.jpg', Buffer.concat([jpeg, Buffer.alloc(16 << 20)]), 'row');
}

/**
 * Good files cut and hurt.
 * @param {(name: string, bytes: Buffer, end: string) => void} add
 * @param {Record<string, Buffer>} good
 */
function addDamage(add, good) {
  for (const [name, bytes] of Object.entries(good)) {
    const extension = name === 'progressive' ? 'jpg' : name.replace('jpeg', 'jpg');
    for (const share of [0.1, 0.5, 0.9]) {
      const cut = bytes.subarray(0, Math.floor(bytes.length * share));
      add(`cut-${name}-${share * 100}.${extension}`, cut, 'truncated');
    }
  }
  const { jpeg, png, webp } = good;
  const scan = jpeg.indexOf(text('\xff\xda'));
  add(
    'no-tables.jpg',
    Buffer.concat([jpeg.subarray(0, 2), jpeg.subarray(frameAt(jpeg))]),
    'corrupt',
  );
  add('no-huffman.jpg', without(jpeg, 0xc4), 'corrupt');
  add(
    'segment-of-length-0.jpg',
    Buffer.concat([jpeg.subarray(0, 2), text('\xff\xfe\0\0'), jpeg.subarray(2)]),
    'truncated',
  );
  add(
    'restart-markers-only.jpg',
    Buffer.concat([jpeg.subarray(0, scan + 14), text('\xff\xd0'.repeat(5000)), text('\xff\xd9')]),
    'corrupt',
  );
  add(
    'fill-bytes.jpg',
    Buffer.concat([jpeg.subarray(0, 2), Buffer.alloc(1 << 20, 255), jpeg.subarray(2)]),
    'row',
  );
  add(
    'frame-twice.jpg',
    Buffer.concat([
      jpeg.subarray(0, scan),
      jpeg.subarray(frameAt(jpeg), frameAt(jpeg) + 19),
      jpeg.subarray(scan),
    ]),
    'corrupt',
  );
  add('sampling-4x4.jpg', patch(jpeg, frameAt(jpeg) + 11, Buffer.of(0x44)), 'corrupt');
  add('sampling-0.jpg', patch(jpeg, frameAt(jpeg) + 11, Buffer.of(0)), 'corrupt');
  add('255-components.jpg', patch(jpeg, frameAt(jpeg) + 9, Buffer.of(255)), 'corrupt');
  add('arithmetic.jpg', patch(jpeg, frameAt(jpeg) + 1, Buffer.of(0xc9)), 'corrupt');
  add('lossless.jpg', patch(jpeg, frameAt(jpeg) + 1, Buffer.of(0xc3)), 'unsupported_format');
  add(
    'chunk-of-4-gb.png',
    Buffer.concat([png.subarray(0, 33), u32(0xffffffff), text('tEXt'), png.subarray(33)]),
    'truncated',
  );
  add('wrong-check-sum.png', patch(png, 29, u32(0)), 'corrupt');
  add('no-data.png', pngOf({ width: 4, height: 4 }, Buffer.alloc(0)), 'corrupt');
  add(
    'palette-missing.png',
    pngOf({ width: 4, height: 4, color: 3 }, chunk('IDAT', deflateSync(Buffer.alloc(20)))),
    'corrupt',
  );
  add(
    'colour-type-9.png',
    pngOf({ width: 4, height: 4, color: 9 }, chunk('IDAT', deflateSync(Buffer.alloc(20)))),
    'corrupt',
  );
  add(
    'filter-200.png',
    pngOf({ width: 4, height: 4 }, chunk('IDAT', deflateSync(Buffer.alloc(52, 200)))),
    'corrupt',
  );
  add('riff-length-0.webp', patch(webp, 4, Buffer.alloc(4)), 'corrupt');
  add('riff-nested.webp', withRiff(webp, 'RIFF', webp), 'row');
  add('lzw-code-12.gif', patch(gifOf(1, 1, [[0, 0, 1, 1]]), 23, Buffer.of(12)), 'corrupt');
}

/** @param {string} type @param {Uint8Array} data */
function chunk(type, data) {
  const body = Buffer.concat([text(type), data]);
  return Buffer.concat([u32(data.length), body, u32(crc32(body))]);
}

/** @param {{ width: number, height: number, depth?: number, color?: number }} header @param {Buffer} chunks */
function pngOf({ width, height, depth = 8, color = 2 }, chunks) {
  const head = chunk('IHDR', Buffer.concat([u32(width, height), Buffer.of(depth, color, 0, 0, 0)]));
  return Buffer.concat([text('\x89PNG\r\n\x1a\n'), head, chunks, chunk('IEND', Buffer.alloc(0))]);
}

/** Right after the header. @param {Buffer} png @param {Buffer} chunks */
function withChunks(png, chunks) {
  return Buffer.concat([png.subarray(0, 33), chunks, png.subarray(33)]);
}

/** @param {number} marker @param {Buffer} body */
function segment(marker, body) {
  return Buffer.concat([Buffer.of(0xff, marker), u16(body.length + 2), body]);
}

/** Right after the start. @param {Buffer} jpeg @param {Buffer[]} segments */
function withSegments(jpeg, ...segments) {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** Where the marker of the frame header is. @param {Buffer} jpeg */
function frameAt(jpeg) {
  return jpeg.indexOf(text('\xff\xc0'));
}

/** Less all segments of one kind. @param {Buffer} jpeg @param {number} marker */
function without(jpeg, marker) {
  const kept = [jpeg.subarray(0, 2)];
  let at = 2;
  while (jpeg[at + 1] !== 0xda) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    if (jpeg[at + 1] !== marker) kept.push(jpeg.subarray(at, end));
    at = end;
  }
  return Buffer.concat([...kept, jpeg.subarray(at)]);
}

/** One more chunk at the end. @param {Buffer} webp @param {string} type @param {Buffer} body */
function withRiff(webp, type, body) {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(body.length);
  const grown = Buffer.concat([webp, text(type), size, body, Buffer.alloc(body.length % 2)]);
  grown.writeUInt32LE(grown.length - 8, 4);
  return grown;
}

/** @param {string} type @param {Buffer} body */
function webpOf(type, body) {
  return withRiff(Buffer.concat([text('RIFF\0\0\0\0WEBP')]), type, body);
}

/** Frames of one colour, in one LZW code. @param {number} width @param {number} height @param {number[][]} frames */
function gifOf(width, height, frames) {
  const parts = [text('GIF89a'), u16le(width, height), Buffer.alloc(3)];
  for (const [left, top, w, h] of frames) {
    parts.push(text(','), u16le(left, top, w, h), Buffer.of(0, 2, 2, 0x4c, 0x01, 0));
  }
  return Buffer.concat([...parts, text(';')]);
}

/** A GIF whose one pixel never comes: codes of 9 bits that all clear the table. @param {number} blocks */
function clearCodes(blocks) {
  const block = Buffer.alloc(253);
  block[0] = 252;
  for (let bit = 8; bit < 252 * 8; bit += 9) block[1 + (bit >> 3)] |= 1 << (bit & 7);
  const head = text('GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x08');
  return Buffer.concat([head, Buffer.alloc(253 * blocks, block), text('\0;')]);
}

/** A header without pixels. @param {number} width @param {number} height @param {number} bits @param {number} [colors] */
function bmpOf(width, height, bits, colors = 0) {
  const head = Buffer.alloc(54);
  head.write('BM');
  head.writeUInt32LE(54, 10);
  head.writeUInt32LE(40, 14);
  head.writeInt32LE(width, 18);
  head.writeInt32LE(height, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(bits, 28);
  head.writeUInt32LE(colors, 46);
  return head;
}

/** A directory without data. @param {number} width @param {number} height */
function tiffOf(width, height) {
  const entry = (/** @type {number} */ tag, /** @type {number} */ value) =>
    Buffer.concat([u16le(tag, 4, 1, 0), u16le(value & 0xffff, value >>> 16)]);
  return Buffer.concat([
    text('II*\0\x08\0\0\0'),
    u16le(2),
    entry(256, width),
    entry(257, height),
    Buffer.alloc(4),
  ]);
}

/** @param {Buffer} bytes @param {number} at @param {Buffer} by */
function patch(bytes, at, by) {
  const changed = Buffer.from(bytes);
  by.copy(changed, at);
  return changed;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? 'hostile';
  for (const [name, { bytes }] of Object.entries(await hostileImages())) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
}
