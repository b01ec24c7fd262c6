import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeWithSharp } from '../../../src/image/formats/decode-with-sharp.ts';
import { decodeJpegDirectly, suitsDirectPath } from '../../../src/image/jpeg/jpeg-direct.ts';
import { readJpegHeader } from '../../../src/image/jpeg/jpeg-header.ts';
import { makePixels } from '../make-images.ts';

const options = { exif: 'ignore', maxPixels: 1e6, tiff: false } as const;

function suits(jpeg: Uint8Array, more: object = {}): boolean {
  return suitsDirectPath(readJpegHeader(jpeg), { ...options, ...more });
}

function direct(jpeg: Uint8Array) {
  return decodeJpegDirectly(jpeg, readJpegHeader(jpeg));
}

function image(width: number, height: number) {
  return sharp(makePixels(width, height), { raw: { width, height, channels: 3 } });
}

test('the direct path gives what libvips gives, for odd sizes, qualities and subsamplings', async () => {
  for (const [width, height] of [
    [1, 1],
    [17, 13],
    [100, 100],
  ]) {
    for (const quality of [5, 80, 100]) {
      for (const chromaSubsampling of ['4:2:0', '4:4:4']) {
        const jpeg = await image(width, height).jpeg({ quality, chromaSubsampling }).toBuffer();
        expect(suits(jpeg)).toBe(true);
        const decoded = await direct(jpeg);
        const request = { format: 'JPEG', maxPixels: 1e6, autoOrient: false } as const;
        expect(decoded).toEqual(await decodeWithSharp(jpeg, request).then(asPlainBytes));
      }
    }
  }
});

function asPlainBytes<T extends { data: Uint8Array }>(decoded: T): T {
  return { ...decoded, data: new Uint8Array(decoded.data) };
}

test('gray goes the direct way', async () => {
  const jpeg = await image(9, 9).greyscale().jpeg().toBuffer();
  expect(suits(jpeg)).toBe(true);
  const [red, green, blue] = (await direct(jpeg))!.data;
  expect([green, blue]).toEqual([red, red]);
});

test('progressive, CMYK and large files go to sharp', async () => {
  expect(suits(await image(9, 9).jpeg({ progressive: true }).toBuffer())).toBe(false);
  expect(suits(await image(9, 9).toColourspace('cmyk').jpeg().toBuffer())).toBe(false);
  expect(suits(await image(257, 256).jpeg().toBuffer())).toBe(false);
});

test('a file whose orientation is to be applied goes to sharp', async () => {
  const jpeg = await image(9, 9).withMetadata({ orientation: 6 }).jpeg().toBuffer();
  expect([suits(jpeg), suits(jpeg, { exif: 'apply' })]).toEqual([true, false]);
});

test('chroma at half height only goes to sharp, which smooths it as Pillow does', async () => {
  const header = readJpegHeader(await image(9, 9).jpeg().toBuffer());
  const [luma, ...chroma] = header.components;
  const halfHeight = { ...luma, horizontal: 1, vertical: 2 };
  expect(suitsDirectPath(header, options)).toBe(true);
  expect(suitsDirectPath({ ...header, components: [halfHeight, ...chroma] }, options)).toBe(false);
});

test('RGB stored in a JPEG goes to sharp', async () => {
  const header = readJpegHeader(await image(9, 9).jpeg().toBuffer());
  expect(suitsDirectPath({ ...header, adobeTransform: 0 }, options)).toBe(false);
  const named = header.components.map((component, i) => ({ ...component, id: [82, 71, 66][i] }));
  expect(suitsDirectPath({ ...header, hasJfif: false, components: named }, options)).toBe(false);
});

test('a warning of libjpeg leaves the verdict to sharp, and the next image decodes', async () => {
  const good = await image(40, 30).jpeg().toBuffer();
  const hollow = Buffer.concat([good.subarray(0, good.length - 150), Buffer.of(0xff, 0xd9)]);
  const dead = Buffer.concat([good.subarray(0, 20), Buffer.of(0xff, 0xd9)]);
  expect(await direct(hollow)).toBeUndefined();
  expect(await decodeJpegDirectly(dead, { width: 40, height: 30 })).toBeUndefined();
  expect(await direct(good)).toMatchObject({ width: 40, height: 30 });
});

test('damaged files in a row leave the decoder sound and the memory as it was', async () => {
  const good = await image(40, 30).jpeg().toBuffer();
  const expected = await direct(good);
  const hollow = Buffer.concat([good.subarray(0, good.length - 150), Buffer.of(0xff, 0xd9)]);
  await direct(hollow);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 200; i++) {
    expect(await direct(hollow)).toBeUndefined();
    if (i % 20 === 0) expect(await direct(good)).toEqual(expected);
  }
  // Each begins a new instance, whose memory is 50 MB that are hardly touched.
  expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
});

test('calls that overlap do not share a decoder', async () => {
  const [small, large] = [
    await image(8, 8).jpeg().toBuffer(),
    await image(90, 80).jpeg().toBuffer(),
  ];
  const apart = [await direct(small), await direct(large)];
  const together = await Promise.all([small, large, small, large].map(direct));
  expect(together).toEqual([...apart, ...apart]);
});
