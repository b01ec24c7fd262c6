import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeWithSharp } from '../../../src/image/formats/decode-with-sharp.ts';
import {
  openNativeJpeg,
  openWasmJpeg,
  whyNoNativeJpeg,
} from '../../../src/image/jpeg/direct-decoder.ts';
import { readJpegHeader } from '../../../src/image/jpeg/jpeg-header.ts';
import { skipIf } from '../../skip-if.ts';
import { makePixels } from '../make-images.ts';

const request = { format: 'JPEG', maxPixels: 1e6 } as const;

function image(width: number, height: number) {
  return sharp(makePixels(width, height), { raw: { width, height, channels: 3 } });
}

/** Sound to its end of image, and empty before it: decoders warn. */
function hollow(jpeg: Buffer): Buffer {
  return Buffer.concat([jpeg.subarray(0, jpeg.length - 150), Buffer.of(0xff, 0xd9)]);
}

/** Less all segments of one kind before the scan. */
function withoutSegments(jpeg: Buffer, marker: number): Buffer {
  const kept = [jpeg.subarray(0, 2)];
  let at = 2;
  while (jpeg[at + 1] !== 0xda) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    if (jpeg[at + 1] !== marker) kept.push(jpeg.subarray(at, end));
    at = end;
  }
  return Buffer.concat([...kept, jpeg.subarray(at)]);
}

const native = openNativeJpeg();
if (native === undefined) process.stderr.write(`No native JPEG decoder: ${whyNoNativeJpeg()}.\n`);

describe.each([
  { name: 'WebAssembly', open: openWasmJpeg },
  ...(native === undefined ? [] : [{ name: 'native', open: async () => native }]),
])('libjpeg-turbo, $name', ({ open }) => {
  /** A decoder that failed may be spent: each call gets a sound one. */
  const decoder = async () => {
    if (current === undefined || current.isSpent) current = await open();
    return current;
  };
  let current: Awaited<ReturnType<typeof open>> | undefined;
  const decode = async (jpeg: Uint8Array, size: { width: number; height: number }) =>
    (await decoder()).decode(jpeg, size)?.slice();

  test('gives what libvips gives, for odd sizes, qualities and subsamplings', async () => {
    for (const [width, height] of [
      [1, 1],
      [17, 13],
      [100, 100],
    ]) {
      for (const quality of [5, 80, 100]) {
        for (const chromaSubsampling of ['4:2:0', '4:4:4']) {
          const jpeg = await image(width, height).jpeg({ quality, chromaSubsampling }).toBuffer();
          const { data } = await decodeWithSharp(jpeg, request);
          expect(await decode(jpeg, { width, height })).toEqual(new Uint8Array(data));
        }
      }
    }
  });

  test('gray becomes three equal channels', async () => {
    const jpeg = await image(9, 9).greyscale().jpeg().toBuffer();
    const [red, green, blue] = (await decode(jpeg, readJpegHeader(jpeg)))!;
    expect([green, blue]).toEqual([red, red]);
  });

  test('a warning leaves the verdict to others, and the next image decodes', async () => {
    const good = await image(40, 30).jpeg().toBuffer();
    const dead = Buffer.concat([good.subarray(0, 20), Buffer.of(0xff, 0xd9)]);
    const size = { width: 40, height: 30 };
    expect(await decode(hollow(good), size)).toBeUndefined();
    expect(await decode(dead, size)).toBeUndefined();
    expect(await decode(good, size)).toHaveLength(40 * 30 * 3);
  });

  test('a file of another size than its caller says is refused, and nothing is written beyond', async () => {
    const jpeg = await image(40, 30).jpeg().toBuffer();
    const whole = await decode(jpeg, { width: 40, height: 30 });
    for (const [width, height] of [
      [20, 15],
      [80, 16],
      [1, 1],
      [0, 0],
      [41, 30],
    ]) {
      expect(await decode(jpeg, { width, height })).toBeUndefined();
    }
    expect(await decode(jpeg, { width: 40, height: 30 })).toEqual(whole);
  });

  test('a file without tables of its own is not decoded by those of the file before', async () => {
    const jpeg = await image(40, 30).jpeg().toBuffer();
    const size = { width: 40, height: 30 };
    for (const marker of [0xc4, 0xdb]) {
      expect(await decode(jpeg, size)).toHaveLength(40 * 30 * 3);
      expect(await decode(withoutSegments(jpeg, marker), size)).toBeUndefined();
    }
  });

  test('damaged files in a row leave the decoder sound and the memory as it was', async () => {
    const good = await image(40, 30).jpeg().toBuffer();
    const size = { width: 40, height: 30 };
    const expected = await decode(good, size);
    await decode(hollow(good), size);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 200; i++) {
      expect(await decode(hollow(good), size)).toBeUndefined();
      if (i % 20 === 0) expect(await decode(good, size)).toEqual(expected);
    }
    // In WebAssembly each begins a new instance, whose memory is 50 MB that are hardly touched.
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });
});

test(
  'the native one takes large pictures as well, and no other shape of the same size',
  skipIf(native === undefined, 'the addon for JPEG is not compiled (img2features setup)'),
  async () => {
    const jpeg = await image(700, 500).jpeg().toBuffer();
    const { data } = await decodeWithSharp(jpeg, request);
    const decoded = native!.decode(jpeg, { width: 700, height: 500 });
    expect(Buffer.compare(decoded!, data)).toBe(0);
    expect(native!.decode(jpeg, { width: 500, height: 700 })).toBeUndefined();
    expect([native!.maxPixels, (await openWasmJpeg()).maxPixels]).toEqual([Infinity, 65536]);
  },
);
