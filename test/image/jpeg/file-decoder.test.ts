import { mkdtempSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, expect, test } from 'vitest';
import { ChunkDecoder, decodeAndResize } from '../../../src/image/decode-and-resize.ts';
import {
  type DecodeOptions,
  type DecodeTask,
  SLOT,
  toRejection,
} from '../../../src/image/decoded-chunk.ts';
import { whyNoNativeJpeg } from '../../../src/image/jpeg/direct-decoder.ts';
import { FileDecoder } from '../../../src/image/jpeg/file-decoder.ts';
import { Resizer } from '../../../src/image/resize/resize.ts';
import { writeZip } from '../../convert/write-zip.ts';
import { skipIf } from '../../skip-if.ts';
import { makePixels } from '../make-images.ts';

const dir = mkdtempSync(join(tmpdir(), 'img2features-files-'));
afterAll(() => rmSync(dir, { recursive: true }));

const to10: DecodeOptions = {
  width: 10,
  height: 10,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 2e6,
  tiff: false,
};
const isMissing = skipIf(open(to10) === undefined, `no native JPEG decoder: ${whyNoNativeJpeg()}`);

function open(options: DecodeOptions) {
  return FileDecoder.open(options, new Resizer(options.width, options.height, options.resize));
}

let written = 0;
function taskOf(bytes: Uint8Array): DecodeTask {
  const path = join(dir, `${written}.jpg`);
  writeFileSync(path, bytes);
  const { size, mtimeMs } = statSync(path);
  return { index: written++, path, listed: { size, version: String(mtimeMs) } };
}

function inMemory(bytes: Uint8Array): DecodeTask {
  return { index: written++, bytes: Uint8Array.from(bytes) };
}

/** How many of the tasks are decoded before the first that is left. */
function countTaken(tasks: DecodeTask[], options = to10, current?: Int32Array): number {
  const timing = { readMs: 0, decodeMs: 0, resizeMs: 0 };
  const pixels = new Uint8Array(tasks.length * options.width * options.height * 3);
  return open(options)!.open(tasks, new Uint32Array(2 * tasks.length), current, timing)(0, pixels);
}

/** Rows and rejections of files, which must be those of their bytes. */
async function expectSame(tasks: readonly DecodeTask[], bodies: Uint8Array[], options = to10) {
  const { indices, pixels, rejections } = await new ChunkDecoder(options).decode(tasks);
  const rows: Uint8Array[] = [];
  const expected = { indices: [] as number[], rejections: [] as unknown[] };
  for (const [i, { index }] of tasks.entries()) {
    try {
      rows.push(await decodeAndResize(bodies[i], options));
      expected.indices.push(index);
    } catch (error) {
      expected.rejections.push(toRejection(index, error));
    }
  }
  expect({ indices, rejections }).toEqual(expected);
  expect(Buffer.compare(pixels, Buffer.concat(rows))).toBe(0);
  return { rows: rows.length, rejections: rejections.length };
}

function image(width: number, height: number) {
  return sharp(makePixels(width, height), { raw: { width, height, channels: 3 } });
}

test(
  'files of every ordinary kind are taken, and give the bytes of the other way',
  isMissing,
  async () => {
    const bodies: Uint8Array[] = [];
    for (const [width, height] of [
      [1, 1],
      [10, 10],
      [17, 13],
      [100, 99],
      [9, 301],
      [640, 11],
    ]) {
      for (const chromaSubsampling of ['4:2:0', '4:4:4']) {
        bodies.push(await image(width, height).jpeg({ quality: 90, chromaSubsampling }).toBuffer());
      }
      bodies.push(await image(width, height).grayscale().jpeg().toBuffer());
    }
    const tasks = bodies.flatMap((body) => [taskOf(body), inMemory(body)]);
    const twice = bodies.flatMap((body) => [body, body]);
    for (const [width, height] of [
      [10, 10],
      [24, 7],
      [7, 24],
    ]) {
      for (const resize of ['bicubic', 'bilinear'] as const) {
        for (const channels of ['rgb', 'bgr'] as const) {
          const options = { ...to10, width, height, resize, channels };
          expect((await expectSame(tasks, twice, options)).rows).toBe(twice.length);
        }
      }
    }
    // An image one of whose sides stays as it is takes the other way.
    const taken = tasks.filter((task) => countTaken([task]) === 1);
    expect(taken).toEqual(tasks);
    expect(tasks.filter((task) => countTaken([task], { ...to10, width: 17 }) === 1)).toHaveLength(
      twice.length - 12,
    );
  },
);

test('more sizes than are kept give the right rows', isMissing, async () => {
  const bodies = await Promise.all(
    Array.from({ length: 70 }, (_, i) =>
      image(20 + i, 90 - i)
        .jpeg()
        .toBuffer(),
    ),
  );
  const twice = [...bodies, ...bodies];
  const tasks = twice.map(taskOf);
  expect(countTaken(tasks)).toBe(140);
  await expectSame(tasks, twice);
});

test(
  'members of a tar and stored ones of a zip are taken; a wrong checksum is left',
  isMissing,
  async () => {
    const content = await image(40, 30).jpeg().toBuffer();
    const zip = writeZip([
      { name: 'a', content: Buffer.of(1) },
      { name: 'some name', content },
      { name: 'next name', content, isPacked: true },
    ]);
    const from = zip.indexOf('PK\x03\x04', 4);
    const packed = zip.indexOf('PK\x03\x04', from + 4);
    const stored = zip.readUInt32LE(packed + 18);
    const kinds = ['tar', 'zip', 'packed', 'damaged', 'short', 'packed damaged'] as const;
    const tasks = kinds.map((kind) => {
      const bytes = kind === 'tar' ? Buffer.concat([Buffer.alloc(700), content]) : Buffer.from(zip);
      if (kind === 'damaged') bytes[from + 39 + content.length - 2] ^= 1;
      if (kind === 'packed damaged') bytes[packed + 39 + 50] ^= 255;
      const { listed, ...task } = taskOf(kind === 'short' ? bytes.subarray(0, from + 300) : bytes);
      const isDeflated = kind.startsWith('packed');
      const part = {
        from: kind === 'tar' ? 700 : isDeflated ? packed : from,
        stored: isDeflated ? stored : content.length,
        isDeflated,
        crc32: kind === 'tar' ? undefined : crc32(content),
      };
      return { ...task, listed: { ...listed!, size: content.length, part } };
    });
    // Deflated ones are inflated before.
    expect(tasks.map((task) => countTaken([task]))).toEqual([1, 1, 0, 0, 0, 0]);
    const { pixels, rejections } = await new ChunkDecoder(to10).decode(tasks);
    const row = await decodeAndResize(content, to10);
    expect(Buffer.compare(pixels, Buffer.concat([row, row, row]))).toBe(0);
    expect(rejections.map(({ reason }) => reason)).toEqual(Array(3).fill('corrupt'));
  },
);

test('what is unusual is left, and ends as its bytes alone would', isMissing, async () => {
  const jpeg = await image(40, 30).jpeg().toBuffer();
  const bodies: Uint8Array[] = [
    await image(40, 30).png().toBuffer(),
    await image(40, 30).jpeg({ progressive: true }).toBuffer(),
    await image(40, 30).toColourspace('cmyk').jpeg().toBuffer(),
    await image(3, 400).jpeg().toBuffer(),
    jpeg.subarray(0, jpeg.length - 40),
    Buffer.concat([jpeg.subarray(0, jpeg.length - 150), Buffer.of(0xff, 0xd9)]),
    Buffer.from('no image'),
    await image(1100, 1000).jpeg().toBuffer(),
  ];
  bodies.push(...bodies);
  const tasks = bodies.map((body, i) => (i < bodies.length / 2 ? taskOf(body) : inMemory(body)));
  expect(tasks.filter((task) => countTaken([task]) !== 0)).toEqual([]);
  const between = tasks.flatMap((task) => [task, taskOf(jpeg)]);
  const { sizes } = await new ChunkDecoder(to10).decode(between);
  expect(sizes.slice(0, 6)).toEqual([40, 30, 40, 30, 40, 30]);
  expect(sizes.slice(-4)).toEqual([1100, 1000, 40, 30]);
  const result = await expectSame(
    between,
    bodies.flatMap((body) => [body, jpeg]),
  );
  expect(result).toEqual({ rows: 26, rejections: 6 });
  for (const other of [{ exif: 'apply' }, { channels: 'gray' }, { resize: 'nearest' }] as const) {
    expect(open({ ...to10, ...other })).toBeUndefined();
  }
});

test(
  'a file that is not the listed one is left, and rejected for what it is',
  isMissing,
  async () => {
    const jpeg = await image(40, 30).jpeg().toBuffer();
    const [grown, touched, gone, linked] = Array.from({ length: 4 }, () => taskOf(jpeg));
    writeFileSync(grown.path!, Buffer.concat([jpeg, jpeg]));
    utimesSync(touched.path!, 1, 1);
    rmSync(gone.path!);
    rmSync(linked.path!);
    symlinkSync('nowhere', linked.path!);
    const tasks = [grown, touched, gone, linked];
    expect(tasks.filter((task) => countTaken([task]) !== 0)).toEqual([]);
    const { rejections } = await new ChunkDecoder(to10).decode(tasks);
    expect(rejections.map(({ reason }) => reason)).toEqual([
      'changed',
      'changed',
      'vanished',
      'broken_link',
    ]);
  },
);

test('a thousand damaged files end as their bytes alone would', isMissing, async () => {
  const sound = await Promise.all(
    ['4:2:0', '4:4:4'].map((chromaSubsampling) =>
      image(48, 40).jpeg({ quality: 70, chromaSubsampling }).toBuffer(),
    ),
  );
  let seed = 1;
  const random = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  const bodies = Array.from({ length: 1000 }, (_, i) => {
    const body = Buffer.from(sound[i % 2]);
    // Mostly in the markers, where most of the rules are.
    const within = i % 3 === 0 ? body.length : 640;
    for (let n = random(3); n >= 0; n--) body[random(within)] = random(256);
    return i % 10 === 0 ? body.subarray(0, random(body.length)) : body;
  });
  const { rows, rejections } = await expectSame(bodies.map(taskOf), bodies);
  expect(rows).toBeGreaterThan(50);
  expect(rejections).toBeGreaterThan(200);
});

test('others see which image is in work, and can stop the rest', isMissing, async () => {
  const jpeg = await image(40, 30).jpeg().toBuffer();
  const files = Array.from({ length: 3 }, () => taskOf(jpeg));
  const current = new Int32Array(new SharedArrayBuffer(16));
  expect(countTaken(files, to10, current)).toBe(3);
  expect(Atomics.load(current, SLOT.position)).toBe(2);
  expect(Atomics.load(current, SLOT.turns) % 2).toBe(0);
  Atomics.store(current, SLOT.stop, 1);
  expect(countTaken(files, to10, current)).toBe(0);
});
