import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decodeAndResize } from '../../src/image/decode-and-resize.ts';
import type { DecodeOptions } from '../../src/image/decoded-chunk.ts';
import { decodeImage } from '../../src/image/formats/decode.ts';
import { decodeWithSharp } from '../../src/image/formats/decode-with-sharp.ts';
import { suitsDirectPath } from '../../src/image/jpeg/decode-jpeg.ts';
import { openNativeJpeg, openWasmJpeg } from '../../src/image/jpeg/direct-decoder.ts';
import { readJpegHeader } from '../../src/image/jpeg/jpeg-header.ts';
import { readNpz } from '../../src/reduce/npz.ts';
import { describeReference } from '../reference.ts';

const options: DecodeOptions = {
  width: 10,
  height: 10,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 50_000_000,
  tiff: false,
};

interface Expected {
  size: [number, number];
  decoded_sha256: string;
  pixels10: number[];
  resized224_sha256: string;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describeReference('Pillow on 64 images', (dir) => {
  const text = readFileSync(join(dir, 'reference/keras/reference-images.json'), 'utf8');
  const images = Object.entries(JSON.parse(text) as Record<string, Expected>);

  test('every image is decoded and resized to the same bytes', async () => {
    expect(images).toHaveLength(64);
    for (const [file, expected] of images) {
      const bytes = readFileSync(join(dir, 'data', file));
      const image = await decodeImage(bytes, options);
      const large = await decodeAndResize(bytes, { ...options, width: 224, height: 224 });
      expect
        .soft({
          file,
          size: [image.width, image.height],
          decoded_sha256: sha256(image.data),
          pixels10: [...(await decodeAndResize(bytes, options))],
          resized224_sha256: sha256(large),
        })
        .toMatchObject({ file, ...pick(expected) });
    }
  });
});

function pick({ size, decoded_sha256, pixels10, resized224_sha256 }: Expected): Expected {
  return { size, decoded_sha256, pixels10, resized224_sha256 };
}

describeReference('the pixel vectors of the PySpark job', (dir) => {
  const npz = readNpz(readFileSync(join(dir, 'reference/seed-spark/pixels.npz')));
  const files = npz.get('files')!.data as readonly string[];
  const vectors = npz.get('vectors_bgr')!.data as Uint8Array;

  test('all 1,000 equal ours with the channels swapped', async () => {
    expect([files.length, vectors.length]).toEqual([1000, 300_000]);
    const wrong: string[] = [];
    for (const [i, file] of files.entries()) {
      const bytes = readFileSync(join(dir, 'data', file));
      const row = await decodeAndResize(bytes, { ...options, channels: 'bgr' });
      if (!Buffer.from(row).equals(vectors.subarray(i * 300, (i + 1) * 300))) wrong.push(file);
    }
    expect(wrong).toEqual([]);
  });
});

describeReference('the JPEG paths', (dir) => {
  const photos = readdirSync(join(dir, 'data/photos')).map((name) =>
    join(dir, 'data/photos', name),
  );

  test('the direct decoders and libvips decode every photograph that suits them to the same bytes', async () => {
    const native = openNativeJpeg();
    const decoders = [await openWasmJpeg(), ...(native === undefined ? [] : [native])];
    let compared = 0;
    for (const photo of photos) {
      const bytes = readFileSync(photo);
      const header = readJpegHeader(bytes);
      if (!suitsDirectPath(header)) continue;
      const request = { format: 'JPEG', maxPixels: 1e8 } as const;
      const vips = await decodeWithSharp(bytes, request);
      for (const decoder of decoders) {
        const direct = decoder.decode(bytes, header);
        expect.soft(sha256(direct ?? Buffer.of()), photo).toBe(sha256(vips.data));
      }
      compared++;
    }
    // One of the 128 has its chroma halved in height only.
    expect(compared).toBeGreaterThan(100);
  });
});
