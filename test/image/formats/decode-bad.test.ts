import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../../src/image/formats/decode.ts';
import { loadSharp } from '../../../src/image/formats/decode-with-sharp.ts';
import { openNativeJpeg } from '../../../src/image/jpeg/direct-decoder.ts';
import type { PixelOptions } from '../../../src/image/rgb-image.ts';
import { makeBmp, makeGif, makePixels, makePng, pngChunk } from '../make-images.ts';

const options = { exif: 'ignore', maxPixels: 10_000, tiff: false } as const;
const photo = { raw: { width: 40, height: 30, channels: 3 as const } };
const pixels = makePixels(40, 30);

async function refusal(bytes: Uint8Array, more: Partial<PixelOptions> = {}): Promise<string> {
  try {
    await decodeImage(bytes, { ...options, ...more });
  } catch (error) {
    const { name, reason, message } = error as { name: string; reason: string; message: string };
    return `${name} ${reason}: ${message}`;
  }
  return 'a row';
}

const text = (content: string) => Buffer.from(content, 'latin1');

test.each([
  ['nothing', text(''), 'empty_file: Expected an image but found 0 bytes.'],
  [
    'plain text',
    text('hello'),
    'not_an_image: Expected JPEG, PNG, WebP, GIF or BMP but found no known image signature.',
  ],
  ['text that begins like a BMP', text('BMW is a car maker, not an image'), 'not_an_image: '],
  ['SVG', text('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'unsupported_format: '],
  ['SVG after a byte order mark', text('\xef\xbb\xbf\n<SVG >'), 'unsupported_format: '],
  [
    'PDF',
    text('%PDF-1.7'),
    'unsupported_format: Expected JPEG, PNG, WebP, GIF or BMP but found PDF.',
  ],
  ['HEIC', text('\0\0\0\x18ftypheic'), 'but found HEIC.'],
  ['AVIF', text('\0\0\0\x18ftypavif'), 'but found AVIF.'],
  ['a netpbm file', text('P6 1 1 255 abc'), 'but found PNM.'],
  [
    'TIFF without the option',
    text('II*\0\x08\0\0\0'),
    'unsupported_format: Expected JPEG, PNG, WebP, GIF or BMP but found TIFF, which is decoded only on request.',
  ],
])('%s', async (_, bytes, expected) => {
  expect(await refusal(bytes)).toContain(expected);
});

test.each(['jpeg', 'png', 'webp'] as const)(
  'a %s cut anywhere is refused and never half a picture',
  async (format) => {
    const whole = await sharp(pixels, photo).toFormat(format).toBuffer();
    expect(await refusal(whole)).toBe('a row');
    for (let length = 16; length < whole.length; length += 37) {
      expect(await refusal(whole.subarray(0, length)), `${length} bytes`).toMatch(
        /^DecodeError truncated: /,
      );
    }
    expect(await refusal(whole.subarray(0, whole.length - 1))).toMatch(/^DecodeError truncated: /);
  },
);

test('a cut progressive JPEG is refused', async () => {
  const whole = await sharp(pixels, photo).jpeg({ progressive: true }).toBuffer();
  expect(await refusal(whole)).toBe('a row');
  const cut = whole.subarray(0, whole.length - 200);
  expect(await refusal(cut)).toMatch(/^DecodeError truncated: /);
});

const native = openNativeJpeg();

describe.each([
  ['4:2:0', (image: Sharp) => image.jpeg()],
  ['4:4:4', (image: Sharp) => image.jpeg({ chromaSubsampling: '4:4:4' })],
  ['gray', (image: Sharp) => image.toColourspace('b-w').jpeg()],
  ['CMYK', (image: Sharp) => image.toColourspace('cmyk').jpeg()],
  ['progressive', (image: Sharp) => image.jpeg({ progressive: true })],
])('a JPEG in %s that libjpeg only warns of is refused, wherever the damage is', (kind, encode) => {
  test.skipIf(kind === 'CMYK' && native === undefined).each([
    [32, 32],
    [16, 8],
    [40, 30],
    // More pixels than the decoder in WebAssembly takes.
    [520, 128],
  ])('%i x %i', async (width, height) => {
    const raw = { width, height, channels: 3 as const };
    const jpeg = await encode(sharp(makePixels(width, height), { raw })).toBuffer();
    const data = jpeg.lastIndexOf(text('\xff\xda')) + 14;
    const upTo = (share: number) => data + Math.floor((jpeg.length - 2 - data) * share);
    expect(await refusal(jpeg, { maxPixels: 1e5 })).toBe('a row');
    for (const exif of ['ignore', 'apply'] as const) {
      for (const share of [0.2, 0.5, 0.8, 0.95]) {
        const hollow = Buffer.concat([jpeg.subarray(0, upTo(share)), text('\xff\xd9')]);
        expect(await refusal(hollow, { exif, maxPixels: 1e5 }), `${share}`).toMatch(DAMAGED_JPEG);
      }
      // Codes were misread, or another picture's are left; docs/parity.md names the limit of WebAssembly.
      const isUnseen = native === undefined && kind === '4:2:0' && width * height > 65_536;
      if (isUnseen) continue;
      const left = Buffer.concat([jpeg.subarray(0, -2), Buffer.alloc(50, 7), text('\xff\xd9')]);
      expect(await refusal(left, { exif, maxPixels: 1e5 })).toMatch(DAMAGED_JPEG);
    }
  });
});

const DAMAGED_JPEG = /^DecodeError corrupt: Expected an undamaged JPEG but found damage/;

test('a JPEG with a marker where data should be is refused', async () => {
  const jpeg = Buffer.from(await sharp(pixels, photo).jpeg().toBuffer());
  jpeg.set([0xff, 0x36], jpeg.length - 40);
  expect(await refusal(jpeg)).toMatch(/corrupt: Expected JPEG data at byte \d+ but found a wrong/);
});

test('a JPEG with endless scans is refused before it is decoded', async () => {
  const jpeg = await sharp(pixels, photo).jpeg({ progressive: true }).toBuffer();
  const lastScan = jpeg.lastIndexOf(text('\xff\xda'));
  const scan = jpeg.subarray(lastScan, -2);
  const bomb = Buffer.concat([jpeg.subarray(0, -2), ...Array(200).fill(scan), text('\xff\xd9')]);
  expect(await refusal(bomb)).toContain('corrupt: Expected at most 100 JPEG scans but found more.');
});

test('a 12-bit JPEG and one with two components are refused by their colours', async () => {
  const jpeg = Buffer.from(await sharp(pixels, photo).jpeg().toBuffer());
  const frame = jpeg.indexOf(text('\xff\xc0')) + 4;
  const deep = Buffer.from(jpeg);
  deep[frame] = 12;
  expect(await refusal(deep)).toContain('unsupported_color: Expected a JPEG with 8 bits a sample');
  const odd = Buffer.from(jpeg);
  odd[frame + 5] = 2;
  expect(await refusal(odd)).toContain('unsupported_color: Expected a JPEG with 1, 3 or 4');
});

test('an image over the pixel limit is refused by its header, whatever the format', async () => {
  const limit = 'too_many_pixels: Expected at most 10000 pixels but found';
  const wide = { create: { width: 101, height: 100, channels: 3, background: '#888' } } as const;
  for (const format of ['jpeg', 'png', 'webp'] as const) {
    expect(await refusal(await sharp(wide).toFormat(format).toBuffer())).toContain(limit);
  }
  const frames = [{ width: 60_000, height: 60_000, indices: [1] }];
  expect(await refusal(makeGif({ width: 1, height: 1, frames }))).toContain(limit);
  expect(await refusal(makeBmp({ width: 5000, height: 5000, bits: 24, rows: [] }))).toContain(
    limit,
  );
  // No pixel data at all: a decoder that allocates first would ask for 4 GB.
  const bomb = makePng({ width: 40_000, height: 40_000, depth: 8, colorType: 2, rows: [] });
  expect(await refusal(bomb)).toContain(limit);
});

test('an image without pixels is refused', async () => {
  const png = makePng({ width: 0, height: 5, depth: 8, colorType: 2, rows: [] });
  expect(await refusal(png)).toContain('corrupt: Expected a PNG with pixels but found 0 x 5.');
});

test('a PNG with a wrong check sum is refused, even in a chunk that is not looked at', async () => {
  const comment = Buffer.from(pngChunk('tEXt', text('a\0b')));
  comment[10] ^= 1;
  const rows = [[1, 2, 3]];
  const png = makePng({ width: 1, height: 1, depth: 8, colorType: 2, rows, extra: [comment] });
  expect(await refusal(png)).toContain(
    'corrupt: Expected an undamaged PNG but found a wrong check sum in the chunk at byte 33.',
  );
});

test('a PNG with fewer rows than its header says is refused', async () => {
  const png = makePng({ width: 1, height: 3, depth: 8, colorType: 2, rows: [[1, 2, 3]] });
  expect(await refusal(png)).toMatch(/^DecodeError corrupt: Expected an undamaged PNG but found/);
});

test('a GIF whose data end early is refused although libvips would show it', async () => {
  const gif = makeGif({ width: 2, height: 2, frames: [{ width: 2, height: 2, indices: [1, 2] }] });
  expect(await refusal(gif)).toContain(
    'truncated: Expected a GIF frame of 4 pixels but found data for 2.',
  );
});

test('a GIF without a picture, a cut one and one with junk between blocks are refused', async () => {
  const gif = makeGif({ width: 1, height: 1, frames: [{ width: 1, height: 1, indices: [1] }] });
  expect(await refusal(makeGif({ width: 1, height: 1, frames: [] }))).toContain(
    'corrupt: Expected a GIF with a picture but found none.',
  );
  expect(await refusal(gif.subarray(0, gif.length - 3))).toContain('truncated: ');
  const junk = Buffer.concat([gif.subarray(0, 13), text('x'), gif.subarray(13)]);
  expect(await refusal(junk)).toContain('corrupt: Expected a GIF block at byte 13');
});

test('BMP kinds that are not read, and cut ones, are refused', async () => {
  const rows = [[1, 2, 3]];
  const whole = makeBmp({ width: 1, height: 1, bits: 24, rows });
  expect(await refusal(makeBmp({ width: 1, height: 1, bits: 2, rows }))).toContain(
    'unsupported_color: Expected a BMP with 1, 4, 8, 16, 24 or 32 bits a pixel but found 2.',
  );
  expect(await refusal(makeBmp({ width: 1, height: 1, bits: 8, rows, compression: 2 }))).toContain(
    'unsupported_format: Expected a BMP that is raw or run-length coded but found compression 2 at 8',
  );
  // The padding of the last row may be missing, a pixel may not.
  expect(await refusal(whole.subarray(0, 57))).toBe('a row');
  expect(await refusal(whole.subarray(0, 56))).toContain('truncated: ');
  expect(await refusal(whole.subarray(0, 40))).toContain('truncated: ');
});

test('the loaders of libvips for other formats are closed', async () => {
  const open = await loadSharp();
  const svg = text('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>');
  await expect(open(svg, {}).raw().toBuffer()).rejects.toThrow('unsupported image format');
  const gif = makeGif({ width: 1, height: 1, frames: [{ width: 1, height: 1, indices: [1] }] });
  await expect(open(gif, {}).raw().toBuffer()).rejects.toThrow('unsupported image format');
});

test.each(['jpeg', 'png', 'webp', 'gif'] as const)(
  'changing any bytes of a %s gives a row or a DecodeError, nothing else',
  async (format) => {
    const whole = await sharp(pixels, photo).toFormat(format).toBuffer();
    let state = 1;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let n = 0; n < 60; n++) {
      const changed = Buffer.from(whole);
      for (let k = 0; k < 3; k++) changed[random(changed.length)] = random(256);
      expect(await refusal(changed)).toMatch(/^(a row|DecodeError [a-z_]+: Expected .*)$/s);
    }
  },
);
