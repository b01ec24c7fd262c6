import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { decodeAndResize } from '../../src/image/decode-and-resize.ts';
import { decodeImage } from '../../src/image/formats/decode.ts';

/** What scripts/make-pillow-fixtures.py writes: SHA-256 of RGB bytes, and the pixels of one resize. */
interface Expected {
  readonly size: [width: number, height: number];
  readonly decoded: string;
  readonly bilinear10: string;
  readonly nearest10: string;
  readonly bicubic224: string;
  readonly bicubic10: number[];
}

const folder = new URL('../fixtures/pillow/', import.meta.url);
const FIXTURES: Record<string, Expected> = JSON.parse(
  readFileSync(new URL('expected.json', folder), 'utf8'),
);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test.each(Object.entries(FIXTURES))('%s has Pillow’s pixels at every size', async (name, twin) => {
  const bytes = readFileSync(new URL(name, folder));
  const options = {
    width: 10,
    height: 10,
    resize: 'bicubic',
    exif: 'ignore',
    channels: 'rgb',
    maxPixels: 50_000_000,
    tiff: false,
  } as const;
  const large = { ...options, width: 224, height: 224 };
  const image = await decodeImage(bytes, options);
  expect({
    size: [image.width, image.height],
    decoded: sha256(image.data),
    bilinear10: sha256(await decodeAndResize(bytes, { ...options, resize: 'bilinear' })),
    nearest10: sha256(await decodeAndResize(bytes, { ...options, resize: 'nearest' })),
    bicubic224: sha256(await decodeAndResize(bytes, large)),
    bicubic10: [...(await decodeAndResize(bytes, options))],
  }).toEqual(twin);
});
