import sharp from 'sharp';
import { expect, test } from 'vitest';
import { suitsDirectPath } from '../../../src/image/jpeg/decode-jpeg.ts';
import { readJpegHeader } from '../../../src/image/jpeg/jpeg-header.ts';
import { makePixels } from '../make-images.ts';

function suits(jpeg: Uint8Array): boolean {
  return suitsDirectPath(readJpegHeader(jpeg));
}

function image(width: number, height: number) {
  return sharp(makePixels(width, height), { raw: { width, height, channels: 3 } });
}

test('colour and gray go the direct way, whatever their size', async () => {
  expect(suits(await image(9, 9).jpeg().toBuffer())).toBe(true);
  expect(suits(await image(300, 400).jpeg({ chromaSubsampling: '4:4:4' }).toBuffer())).toBe(true);
  expect(suits(await image(9, 9).greyscale().jpeg().toBuffer())).toBe(true);
});

test('progressive and CMYK files go to sharp', async () => {
  expect(suits(await image(9, 9).jpeg({ progressive: true }).toBuffer())).toBe(false);
  expect(suits(await image(9, 9).toColourspace('cmyk').jpeg().toBuffer())).toBe(false);
});

test('chroma at half height only goes to sharp, which smooths it as Pillow does', async () => {
  const header = readJpegHeader(await image(9, 9).jpeg().toBuffer());
  const [luma, ...chroma] = header.components;
  const halfHeight = { ...luma, horizontal: 1, vertical: 2 };
  expect(suitsDirectPath(header)).toBe(true);
  expect(suitsDirectPath({ ...header, components: [halfHeight, ...chroma] })).toBe(false);
});

test('RGB stored in a JPEG goes to sharp', async () => {
  const header = readJpegHeader(await image(9, 9).jpeg().toBuffer());
  expect(suitsDirectPath({ ...header, adobeTransform: 0 })).toBe(false);
  const named = header.components.map((component, i) => ({ ...component, id: [82, 71, 66][i] }));
  expect(suitsDirectPath({ ...header, hasJfif: false, components: named })).toBe(false);
});
