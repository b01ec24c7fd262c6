import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { decodeAndResize } from '../../../src/image/decode-and-resize.ts';
import type { DecodedChunk, DecodeOptions, DecodeTask } from '../../../src/image/decoded-chunk.ts';
import type { DecodePool as Pool } from '../../../src/image/pool/decode-pool.ts';
import { makePixels } from '../make-images.ts';

// Worker threads start from built files.
const built = new URL('../../../dist/image/pool/decode-pool.js', import.meta.url).href;
const { DecodePool } = (await import(built)) as { DecodePool: typeof Pool };

const options: DecodeOptions = {
  width: 10,
  height: 10,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 1e6,
  tiff: false,
};
const never = new AbortController().signal;

let dir: string;
let jpeg: Buffer;
let png: Buffer;
const pools: Pool[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'img2features-pool-'));
  const image = sharp(makePixels(40, 30), { raw: { width: 40, height: 30, channels: 3 } });
  jpeg = await image.jpeg().toBuffer();
  png = await image.png().toBuffer();
  writeFileSync(join(dir, 'a.jpg'), jpeg);
  writeFileSync(join(dir, 'b.png'), png);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

function openPool(workers: number, more: Partial<DecodeOptions> = {}): Pool {
  const pool = new DecodePool({ ...options, ...more }, workers);
  pools.push(pool);
  return pool;
}

async function collect(generator: AsyncIterable<DecodedChunk>): Promise<DecodedChunk[]> {
  const chunks: DecodedChunk[] = [];
  for await (const chunk of generator) chunks.push(chunk);
  return chunks;
}

/** `n` chunks; the odd ones are slow (PNG through sharp), the even ones fast. */
function manyChunks(n: number): DecodeTask[][] {
  return Array.from({ length: n }, (_, i) =>
    [0, 1, 2].map((k) => ({ index: i * 3 + k, path: join(dir, i % 2 ? 'b.png' : 'a.jpg') })),
  );
}

test('chunks come in order and hold what one image decoded here holds', async () => {
  const fromJpeg = await decodeAndResize(jpeg, options);
  const fromPng = await decodeAndResize(png, options);
  const chunks = await collect(openPool(3).decode(manyChunks(12), never));
  expect(chunks.flatMap((chunk) => chunk.indices)).toEqual([...Array(36).keys()]);
  chunks.forEach((chunk, i) => {
    const row = i % 2 ? fromPng : fromJpeg;
    expect(Buffer.from(chunk.pixels)).toEqual(Buffer.concat([row, row, row]));
  });
  expect(chunks[0].timing.decodeMs).toBeGreaterThan(0);
});

test('the number of workers does not change the bytes', async () => {
  const one = await collect(openPool(1).decode(manyChunks(7), never));
  const four = await collect(openPool(4).decode(manyChunks(7), never));
  expect(four.map((chunk) => Buffer.from(chunk.pixels))).toEqual(
    one.map((chunk) => Buffer.from(chunk.pixels)),
  );
});

test('a bad image is a rejection and the rows close up over it', async () => {
  writeFileSync(join(dir, 'cut.jpg'), jpeg.subarray(0, 200));
  writeFileSync(join(dir, 'empty.jpg'), '');
  const names = ['a.jpg', 'cut.jpg', 'b.png', 'empty.jpg', 'gone.jpg', 'a.jpg'];
  const tasks = names.map((name, i) => ({ index: 10 + i, path: join(dir, name) }));
  const [chunk] = await collect(openPool(1).decode([tasks], never));
  expect(chunk.indices).toEqual([10, 12, 15]);
  expect(chunk.rejections.map(({ index, reason }) => [index, reason])).toEqual([
    [11, 'truncated'],
    [13, 'empty_file'],
    [14, 'vanished'],
  ]);
  const rows = [jpeg, png, jpeg].map((bytes) => decodeAndResize(bytes, options));
  expect(Buffer.from(chunk.pixels)).toEqual(Buffer.concat(await Promise.all(rows)));
});

test('bytes are transferred when they own their buffer and are many, else copied', async () => {
  const own = new Uint8Array(Buffer.concat([jpeg, new Uint8Array(64 << 10)]));
  const small = new Uint8Array(jpeg);
  const shared = new Uint8Array(jpeg.length * 2);
  shared.set(jpeg);
  shared.set(jpeg, jpeg.length);
  const tasks = [
    { index: 0, bytes: own },
    { index: 1, bytes: shared.subarray(0, jpeg.length) },
    { index: 2, bytes: shared.subarray(jpeg.length) },
    { index: 3, bytes: small },
  ];
  const [chunk] = await collect(openPool(1).decode([tasks], never));
  expect(chunk.indices).toEqual([0, 1, 2, 3]);
  expect([own, shared, small].map(({ length }) => length)).toEqual([
    0,
    jpeg.length * 2,
    jpeg.length,
  ]);
  const row = await decodeAndResize(jpeg, options);
  expect(Buffer.compare(chunk.pixels, Buffer.concat([row, row, row, row]))).toBe(0);
});

test('bgr swaps the outer channels of each pixel', async () => {
  const rgb = await decodeAndResize(jpeg, options);
  const bgr = await decodeAndResize(jpeg, { ...options, channels: 'bgr' });
  const swapped = rgb.map((_, i) => rgb[i + 2 - 2 * (i % 3)]);
  expect(bgr).toEqual(swapped);
});

test('no more than twice the workers and one chunk are asked for ahead of the consumer', async () => {
  let asked = 0;
  function* endless(): Generator<DecodeTask[]> {
    for (;;) {
      asked++;
      yield [{ index: asked, path: join(dir, 'a.jpg') }];
    }
  }
  const generator = openPool(2).decode(endless(), never);
  await generator.next();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(asked).toBeLessThanOrEqual(6);
  await generator.return();
});

test('a finished chunk is delivered while the input is still thinking', async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  async function* slow(): AsyncGenerator<DecodeTask[]> {
    yield [{ index: 0, path: join(dir, 'a.jpg') }];
    await gate;
  }
  const generator = openPool(1).decode(slow(), never);
  const first = await generator.next();
  expect(first.value?.indices).toEqual([0]);
  open();
  expect((await generator.next()).done).toBe(true);
});

test('an abort ends the generator at once and lets the input go', async () => {
  const stop = new AbortController();
  let wasLetGo = false;
  function* endless(): Generator<DecodeTask[]> {
    try {
      for (let i = 0; ; i++) yield [{ index: i, path: join(dir, 'b.png') }];
    } finally {
      wasLetGo = true;
    }
  }
  const generator = openPool(2).decode(endless(), stop.signal);
  await generator.next();
  stop.abort();
  await expect(generator.next()).rejects.toMatchObject({ tag: 'interrupted' });
  expect(wasLetGo).toBe(true);
});

test('an abort before the start decodes nothing', async () => {
  const generator = openPool(1).decode(manyChunks(1), AbortSignal.abort());
  await expect(generator.next()).rejects.toMatchObject({ tag: 'interrupted' });
});

test('an error of the input is thrown as it is', async () => {
  // biome-ignore lint/correctness/useYield: it fails before its first chunk.
  async function* failing(): AsyncGenerator<DecodeTask[]> {
    throw new Error('listing failed');
  }
  const generator = openPool(1).decode(failing(), never);
  await expect(generator.next()).rejects.toThrow('listing failed');
});

test('what is no image fault names the image and ends the run', async () => {
  const tasks = [{ index: 0, path: join(dir, 'a.jpg') }, { index: 7 }];
  const generator = openPool(1).decode([tasks], never);
  await expect(generator.next()).rejects.toMatchObject({
    tag: 'run',
    message: expect.stringMatching(
      /^Expected a decode worker to run but found that it ended \(.+\) at image 7, image 2 of 2 in its chunk\.$/,
    ),
  });
});

test('a thread that dies fails its chunks by the name of the image it was at', async () => {
  // Without options the worker throws while it starts, outside of any image.
  const pool = new DecodePool(undefined as unknown as DecodeOptions, 1);
  Object.defineProperty(pool, 'imageBytes', { value: 3 });
  pools.push(pool);
  const generator = pool.decode(manyChunks(2), never);
  await expect(generator.next()).rejects.toMatchObject({
    tag: 'run',
    message: expect.stringMatching(/^Expected a decode worker .+ at \/.+a\.jpg, image 1 of 3/),
  });
});

test('memory that is given back is used again, and only then', async () => {
  const pool = openPool(1);
  const chunks: DecodedChunk[] = [];
  for await (const chunk of pool.decode(manyChunks(8), never)) {
    chunk.pixels.fill(chunks.push(chunk));
    if (chunks.length === 1) pool.recycle(chunk);
  }
  const [first, ...others] = chunks.map(({ pixels }, i) => pixels.every((it) => it === i + 1));
  expect(first).toBe(false);
  expect(others).toEqual(others.map(() => true));
});

test('closing while chunks are in work ends them with an error and leaves no thread', async () => {
  const pool = openPool(2);
  const generator = pool.decode(manyChunks(40), never);
  await generator.next();
  await pool.close();
  await expect(collect(generator)).rejects.toMatchObject({ tag: 'run' });
});

test('a pool decodes a second list after the first, and an empty one', async () => {
  const pool = openPool(2);
  expect(await collect(pool.decode([], never))).toEqual([]);
  expect(await collect(pool.decode(manyChunks(2), never))).toHaveLength(2);
  expect(await collect(pool.decode(manyChunks(3), never))).toHaveLength(3);
});

test('a process that closes a pool with replies on their way comes to its own end', () => {
  // With nothing else to wait for, Node gave up (status 13) when a reply let go of the thread being ended.
  const script = `
    const { DecodePool } = await import(${JSON.stringify(built)});
    for (let n = 0; n < 20; n++) {
      const pool = new DecodePool(${JSON.stringify(options)}, 1);
      const chunks = [0, 1, 2].map((index) => [{ index, path: '/nowhere' }]);
      for await (const chunk of pool.decode(chunks, new AbortController().signal)) break;
      await pool.close();
    }
    console.log('closed');
  `;
  writeFileSync(join(dir, 'close.mjs'), script);
  const args = [join(dir, 'close.mjs')];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, 'closed\n']);
});
