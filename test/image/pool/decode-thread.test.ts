import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { DecodePool as Pool } from '../../../src/image/pool/decode-pool.ts';
import type { ReadyThreads as Ready } from '../../../src/image/pool/decode-thread.ts';
import { makePixels } from '../make-images.ts';

// Worker threads start from built files.
const built = (name: string) => new URL(`../../../dist/image/pool/${name}.js`, import.meta.url);
const { DecodePool } = (await import(built('decode-pool').href)) as { DecodePool: typeof Pool };
const { ReadyThreads } = (await import(built('decode-thread').href)) as {
  ReadyThreads: typeof Ready;
};

const options = {
  width: 5,
  height: 5,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 1e6,
  tiff: false,
} as const;
const never = new AbortController().signal;

test('a pool takes them before it starts threads of its own, and its images are the same', async () => {
  const pixels = sharp(makePixels(20, 20), { raw: { width: 20, height: 20, channels: 3 } });
  const jpeg = await pixels.jpeg().toBuffer();
  const chunks = () => [0, 1, 2].map((index) => [{ index, bytes: new Uint8Array(jpeg) }]);
  const ready = new ReadyThreads(2, 10_000);
  const rows: Uint8Array[][] = [];
  for (const guard of [{ ready }, {}]) {
    const pool = new DecodePool(options, 2, { imageTimeoutMs: 10_000, ...guard });
    const found: Uint8Array[] = [];
    for await (const chunk of pool.decode(chunks(), never)) found.push(chunk.pixels);
    rows.push(found);
    await pool.close();
  }
  expect(rows[0]).toEqual(rows[1]);
  expect(ready.take()).toBeUndefined();
});

test('those that nobody took end, and none is left', async () => {
  const ready = new ReadyThreads(2, 10_000);
  const taken = ready.take()!;
  await ready.close();
  expect(ready.take()).toBeUndefined();
  expect(taken.isDead).toBe(false);
  await taken.close();
});
