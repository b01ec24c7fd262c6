import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage } from '../../../src/image/formats/decode.ts';
import { cmykToRgb } from '../../../src/image/jpeg/decode-jpeg.ts';
import { makeBmp, makeGif, makePixels, makePng, pngChunk } from '../make-images.ts';

const options = { exif: 'ignore', maxPixels: 1e6, tiff: false } as const;

async function rgbOf(bytes: Uint8Array, more: object = {}): Promise<number[]> {
  return [...(await decodeImage(bytes, { ...options, ...more })).data];
}

const photo = { raw: { width: 40, height: 30, channels: 3 as const } };
const pixels = makePixels(40, 30);

test('an RGB PNG gives its pixels', async () => {
  const png = makePng({ width: 2, height: 1, depth: 8, colorType: 2, rows: [[1, 2, 3, 4, 5, 6]] });
  const image = await decodeImage(png, options);
  expect({ ...image, data: [...image.data] }).toEqual({
    data: [1, 2, 3, 4, 5, 6],
    width: 2,
    height: 1,
  });
});

test('alpha is dropped and not composited', async () => {
  const rows = [[200, 100, 50, 0, 10, 20, 30, 128]];
  const png = makePng({ width: 2, height: 1, depth: 8, colorType: 6, rows });
  expect(await rgbOf(png)).toEqual([200, 100, 50, 10, 20, 30]);
});

test('gray and gray with alpha become three equal channels', async () => {
  const gray = makePng({ width: 2, height: 1, depth: 8, colorType: 0, rows: [[7, 250]] });
  const both = makePng({ width: 2, height: 1, depth: 8, colorType: 4, rows: [[7, 0, 250, 9]] });
  expect(await rgbOf(gray)).toEqual([7, 7, 7, 250, 250, 250]);
  expect(await rgbOf(both)).toEqual([7, 7, 7, 250, 250, 250]);
});

test('gray of 1, 2 and 4 bits is spread over 0 to 255', async () => {
  const gray = (depth: number, byte: number) =>
    rgbOf(makePng({ width: 2, height: 1, depth, colorType: 0, rows: [[byte]] }));
  expect(await gray(1, 0b01000000)).toEqual([0, 0, 0, 255, 255, 255]);
  expect(await gray(2, 0b01100000)).toEqual([85, 85, 85, 170, 170, 170]);
  expect(await gray(4, 0x1e)).toEqual([17, 17, 17, 238, 238, 238]);
});

test('a palette is expanded, transparent entries keep their colour', async () => {
  const extra = [
    pngChunk('PLTE', Uint8Array.of(10, 20, 30, 40, 50, 60)),
    pngChunk('tRNS', Uint8Array.of(0, 128)),
  ];
  const png = makePng({ width: 3, height: 1, depth: 8, colorType: 3, rows: [[1, 0, 1]], extra });
  expect(await rgbOf(png)).toEqual([40, 50, 60, 10, 20, 30, 40, 50, 60]);
});

test('16-bit colour keeps its high byte', async () => {
  const rows = [[0x12, 0xff, 0x80, 0x00, 0xfe, 0xff]];
  const png = makePng({ width: 1, height: 1, depth: 16, colorType: 2, rows });
  expect(await rgbOf(png)).toEqual([0x12, 0x80, 0xfe]);
});

test('16-bit gray is refused with its reason', async () => {
  const png = makePng({ width: 1, height: 1, depth: 16, colorType: 0, rows: [[1, 2]] });
  await expect(rgbOf(png)).rejects.toMatchObject({
    reason: 'unsupported_color',
    message: 'Expected 8 bits a channel but found 16-bit gray, which Pillow would clip to white.',
  });
});

test('a colour profile changes nothing', async () => {
  const plain = await sharp(pixels, photo).png().toBuffer();
  const tagged = await sharp(pixels, photo).withIccProfile('p3', { attach: true }).png().toBuffer();
  expect((await sharp(tagged).metadata()).icc).toBeDefined();
  const kept = await decodeImage(plain, options);
  expect(Buffer.from(kept.data).equals(pixels)).toBe(true);
  const untouched = await sharp(tagged, { ignoreIcc: true }).raw().toBuffer();
  expect(Buffer.from((await decodeImage(tagged, options)).data).equals(untouched)).toBe(true);
});

test('a lossless WebP gives its pixels', async () => {
  const webp = await sharp(pixels, photo).webp({ lossless: true }).toBuffer();
  expect(Buffer.from((await decodeImage(webp, options)).data).equals(pixels)).toBe(true);
});

test('an animated WebP gives its first frame', async () => {
  const frames = Buffer.concat([Buffer.alloc(48, 10), Buffer.alloc(48, 200)]);
  const webp = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
    .webp({ lossless: true })
    .toBuffer();
  const image = await decodeImage(webp, options);
  expect([image.width, image.height, new Set(image.data)]).toEqual([4, 4, new Set([10])]);
});

const palette = [0, 0, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90];

test('an animated GIF gives its first frame', async () => {
  const gif = makeGif({
    width: 2,
    height: 1,
    palette,
    frames: [
      { width: 2, height: 1, indices: [1, 2] },
      { width: 2, height: 1, indices: [3, 3] },
    ],
  });
  expect(await rgbOf(gif)).toEqual([10, 20, 30, 40, 50, 60]);
});

test('what is transparent in a GIF keeps its palette colour, inside the frame and around it', async () => {
  const frames = [{ left: 1, top: 0, width: 2, height: 1, indices: [3, 1], transparent: 3 }];
  const gif = makeGif({ width: 3, height: 1, palette, frames });
  expect(await rgbOf(gif)).toEqual([70, 80, 90, 70, 80, 90, 10, 20, 30]);
});

test('around an opaque GIF frame lies the first palette colour', async () => {
  const shifted = [9, 8, 7, ...palette.slice(3)];
  const frames = [{ left: 1, top: 0, width: 1, height: 1, indices: [1] }];
  const gif = makeGif({ width: 2, height: 1, palette: shifted, frames });
  expect(await rgbOf(gif)).toEqual([9, 8, 7, 10, 20, 30]);
});

test('the canvas of a GIF grows around a frame that sticks out', async () => {
  const frames = [{ width: 2, height: 1, indices: [1, 2] }];
  const gif = makeGif({ width: 1, height: 1, palette, frames });
  expect(await rgbOf(gif)).toEqual([10, 20, 30, 40, 50, 60]);
});

test('interlaced GIF rows are put back in order', async () => {
  // Stored order of five rows: 0, 4, 2, 1, 3.
  const frames = [{ width: 1, height: 5, indices: [0, 1, 2, 3, 1], isInterlaced: true }];
  const gif = makeGif({ width: 1, height: 5, palette, frames });
  const reds = (await rgbOf(gif)).filter((_, i) => i % 3 === 0);
  expect(reds).toEqual([0, 70, 40, 10, 10]);
});

test('a GIF without a palette is gray', async () => {
  const gif = makeGif({ width: 2, height: 1, frames: [{ width: 2, height: 1, indices: [3, 1] }] });
  expect(await rgbOf(gif)).toEqual([3, 3, 3, 1, 1, 1]);
});

test('BMP rows are turned upright and BGR becomes RGB', async () => {
  const rows = [
    [3, 2, 1],
    [6, 5, 4],
  ];
  expect(await rgbOf(makeBmp({ width: 1, height: 2, bits: 24, rows }))).toEqual([4, 5, 6, 1, 2, 3]);
  expect(await rgbOf(makeBmp({ width: 1, height: -2, bits: 24, rows }))).toEqual([
    1, 2, 3, 4, 5, 6,
  ]);
});

test('BMP with 32 bits drops the fourth byte, palettes of 1, 4 and 8 bits are expanded', async () => {
  const colors = [3, 2, 1, 0, 6, 5, 4, 0];
  const bmp = (bits: number, row: number[]) =>
    rgbOf(makeBmp({ width: 2, height: 1, bits, rows: [row], palette: bits > 8 ? [] : colors }));
  expect(await bmp(32, [9, 8, 7, 0, 6, 5, 4, 255])).toEqual([7, 8, 9, 4, 5, 6]);
  expect(await bmp(1, [0b01000000])).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await bmp(4, [0x10])).toEqual([4, 5, 6, 1, 2, 3]);
  expect(await bmp(8, [1, 0])).toEqual([4, 5, 6, 1, 2, 3]);
});

test('a written-out run of odd length keeps its last pixel, where Pillow before 13 lost it', async () => {
  const colors = Array.from({ length: 16 }, (_, i) => [0, 0, i * 7, 0]).flat();
  const rows = [[0, 5, 0x12, 0x34, 0x50, 0, 0, 0, 5, 0x60, 0, 1]];
  const bmp = makeBmp({ width: 5, height: 2, bits: 4, compression: 2, rows, palette: colors });
  const reds = (await rgbOf(bmp)).filter((_, i) => i % 3 === 0);
  expect(reds).toEqual([6, 0, 6, 0, 6, 1, 2, 3, 4, 5].map((index) => index * 7));
});

test("CMYK becomes RGB by the plain formula, in Pillow's rounding", () => {
  const inks = [51, 102, 0, 51, 255, 0, 128, 7, 200, 100, 50, 128, 1, 2, 3, 254];
  const image = cmykToRgb({ data: Uint8Array.from(inks), width: 4, height: 1, channels: 4 });
  expect([...image.data]).toEqual([163, 122, 204, 0, 248, 124, 27, 77, 102, 1, 1, 1]);
});

test('a CMYK JPEG is turned from its inks, not through a profile', async () => {
  const jpeg = await sharp(pixels, photo).toColourspace('cmyk').jpeg().toBuffer();
  const { data, info } = await sharp(jpeg)
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect(info.channels).toBe(4);
  const expected = cmykToRgb({ data, width: 40, height: 30, channels: 4 });
  expect((await decodeImage(jpeg, options)).data).toEqual(expected.data);
});

test('TIFF is decoded on request and refused otherwise', async () => {
  const tiff = await sharp(pixels, photo).tiff({ compression: 'lzw' }).toBuffer();
  const image = await decodeImage(tiff, { ...options, tiff: true });
  expect(Buffer.from(image.data).equals(pixels)).toBe(true);
  await expect(rgbOf(tiff)).rejects.toMatchObject({ reason: 'unsupported_format' });
});

test('EXIF orientation is ignored unless asked for', async () => {
  const rgb = Buffer.from([255, 0, 0, 0, 0, 255]);
  const turned = await sharp(rgb, { raw: { width: 2, height: 1, channels: 3 } })
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer();
  const ignored = await decodeImage(turned, options);
  const applied = await decodeImage(turned, { ...options, exif: 'apply' });
  expect([ignored.width, ignored.height, ...ignored.data]).toEqual([2, 1, 255, 0, 0, 0, 0, 255]);
  expect([applied.width, applied.height, ...applied.data]).toEqual([1, 2, 255, 0, 0, 0, 0, 255]);
});

test('EXIF orientation of a small JPEG is applied although the direct path could decode it', async () => {
  const jpeg = await sharp(pixels, photo).withMetadata({ orientation: 8 }).jpeg().toBuffer();
  const ignored = await decodeImage(jpeg, options);
  const applied = await decodeImage(jpeg, { ...options, exif: 'apply' });
  expect([ignored.width, ignored.height]).toEqual([40, 30]);
  expect([applied.width, applied.height]).toEqual([30, 40]);
  // Orientation 8: the last column becomes the first row.
  expect([...applied.data.subarray(0, 3)]).toEqual([...ignored.data.subarray(39 * 3, 40 * 3)]);
});
