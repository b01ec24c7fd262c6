import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { link, mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { DecodedChunk, DecodeOptions, DecodeTask } from '../../src/image/decoded-chunk.ts';
import type { DecodePool as Pool } from '../../src/image/pool/decode-pool.ts';
import { readRejections } from '../e2e/read-table.ts';
import { runInProcess } from '../e2e/run-cli.ts';
import { makeBmp } from '../image/make-images.ts';

// Worker threads start from built files.
const built = new URL('../../dist/image/pool/decode-pool.js', import.meta.url).href;
const { DecodePool } = (await import(built)) as { DecodePool: typeof Pool };

const options: DecodeOptions = {
  width: 10,
  height: 10,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 50e6,
  tiff: false,
};
const never = new AbortController().signal;

let dir: string;
const pools: Pool[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'img2features-slow-'));
  const rows = [[1, 2, 3]];
  writeFileSync(join(dir, 'quick.bmp'), makeBmp({ width: 1, height: 1, bits: 24, rows }));
  writeFileSync(join(dir, 'slow.gif'), endlessGif(253 * 500_000));
  const grey = { create: { width: 7000, height: 7000, channels: 3, background: '#888' } } as const;
  writeFileSync(join(dir, 'slow.png'), await sharp(grey).png({ progressive: true }).toBuffer());
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

/** A GIF whose one pixel comes never: its data say "clear the table" over and over, 9 bits each. */
function endlessGif(bytes: number): Buffer {
  // Eight codes of 256 are nine bytes; 255 is no multiple of nine, so blocks are of 252.
  const block = Buffer.alloc(253);
  block[0] = 252;
  for (let bit = 8; bit < 252 * 8; bit += 9) block[1 + (bit >> 3)] |= 1 << (bit & 7);
  const head = Buffer.from('GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x08', 'latin1');
  return Buffer.concat([head, Buffer.alloc(bytes, block), Buffer.from('\0;', 'latin1')]);
}

function openPool(imageTimeoutMs: number): Pool {
  const pool = new DecodePool(options, 2, { imageTimeoutMs });
  pools.push(pool);
  return pool;
}

async function collect(chunks: AsyncIterable<DecodedChunk>): Promise<DecodedChunk[]> {
  const all: DecodedChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

/** Twelve chunks of three; the slow image is the second one of the third chunk. */
function chunksWith(slow: string): DecodeTask[][] {
  return Array.from({ length: 12 }, (_, i) =>
    [0, 1, 2].map((k) => ({
      index: i * 3 + k,
      path: join(dir, i * 3 + k === 7 ? slow : 'quick.bmp'),
    })),
  );
}

test.each(['slow.gif', 'slow.png'])(
  'an image that takes too long (%s) is a rejection and all others are rows',
  async (slow) => {
    const start = performance.now();
    const chunks = await collect(openPool(150).decode(chunksWith(slow), never));
    expect(performance.now() - start).toBeLessThan(20_000);
    const others = [...Array(36).keys()].filter((index) => index !== 7);
    expect(chunks.flatMap(({ indices }) => indices)).toEqual(others);
    expect(chunks.flatMap(({ rejections }) => rejections)).toEqual([
      {
        index: 7,
        reason: 'timeout',
        message:
          'Expected an image that is decoded within 0.15 s (--image-timeout) but found one that takes longer.',
      },
    ]);
    for (const { pixels, indices } of chunks) {
      expect(pixels).toEqual(new Uint8Array(indices.length * 300).map((_, i) => 3 - (i % 3)));
    }
  },
);

test('several slow images of one chunk are rejected one after the other', async () => {
  const tasks = ['slow.gif', 'quick.bmp', 'slow.gif'].map((name, index) => ({
    index,
    path: join(dir, name),
  }));
  const [chunk] = await collect(openPool(100).decode([tasks], never));
  expect(chunk.indices).toEqual([1]);
  expect(chunk.rejections.map(({ index, reason }) => [index, reason])).toEqual([
    [0, 'timeout'],
    [2, 'timeout'],
  ]);
});

test('bytes that went with the ended thread are read again', async () => {
  let reads = 0;
  const fetched = async (name: string, index: number): Promise<DecodeTask> => {
    const read = async () => new Uint8Array(await readFile(join(dir, name)));
    const fetch = () => {
      reads++;
      return read();
    };
    return { index, bytes: await read(), fetch };
  };
  const tasks = [await fetched('slow.gif', 0), await fetched('quick.bmp', 1)];
  const [chunk] = await collect(openPool(100).decode([tasks], never));
  expect(chunk.indices).toEqual([1]);
  expect(reads).toBe(1);
});

test('with time enough the same image is judged by its content', async () => {
  const tasks = [{ index: 0, path: join(dir, 'slow.gif') }];
  const [chunk] = await collect(openPool(60_000).decode([tasks], never));
  expect(chunk.rejections.map(({ reason }) => reason)).toEqual(['truncated']);
});

test('the command takes the limit from --image-timeout', async () => {
  await mkdir(join(dir, 'in'));
  for (const name of ['quick.bmp', 'slow.gif']) await link(join(dir, name), join(dir, 'in', name));
  const args = ['in', '--mode', 'pixels', '--out', 'out', '--k', '0', '--image-timeout', '0.2'];
  const { status, stderr } = await runInProcess(dir, ...args);
  expect(status, stderr).toBe(1);
  const ends = readRejections(join(dir, 'out')).map(({ origin, reason }) => [origin, reason]);
  expect(ends).toEqual([['in/slow.gif', 'timeout']]);
});
