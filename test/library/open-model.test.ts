import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
// Threads and processes start from the build.
import * as built from '../../dist/index.js';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { decodeAndResize } from '../../src/image/decode-and-resize.ts';
import type * as api from '../../src/index.ts';
import { fixtureBytes } from '../convert/keras-fixtures.ts';
import { skipIf } from '../skip-if.ts';
import { childProcesses, hasProc, startedSince } from './child-processes.ts';

const {
  convertModel,
  EngineError,
  extractBatches,
  initModel,
  Interrupted,
  OptionError,
  openModel,
} = built as unknown as typeof api;

let dir: string;
let model: api.Model;
let files: string[];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'library-model-'));
  await writeDataset(join(dir, 'images'), {
    seed: 1,
    imagesPerClass: 3,
    minSize: 20,
    maxSize: 40,
    withBroken: false,
  });
  await initModel({ architecture: 'vgg16', seed: 1, width: 1 / 16, dir: join(dir, 'slim') });
  model = await openModel(join(dir, 'slim'), { layer: 'fc2,block5_pool:avg', workers: 2 });
  files = [];
  const input = join(dir, 'images');
  for await (const batch of extractBatches({ input, mode: 'pixels' })) {
    for (const row of batch) files.push(row.origin);
  }
});

afterAll(async () => {
  await model?.close();
  await rm(dir, { recursive: true, force: true });
});

test('a model says what it gives', () => {
  expect(model.outputs).toEqual([
    { layer: 'fc2', pool: 'none', length: 256 },
    { layer: 'block5_pool', pool: 'avg', length: 32 },
  ]);
  expect(model.info.deviceReason).not.toBe('');
});

test('bytes, paths and URLs of the same images give the vectors of the table', async () => {
  const bytes = await Promise.all(files.map((file) => readFile(file)));
  const rows = await model.embed([...bytes, ...files, ...files.map((file) => pathToFileURL(file))]);
  expect(rows.map(({ index }) => index)).toEqual([...rows.keys()]);
  expect(rows.map(({ origin }) => origin)).toEqual([
    ...files.map(() => undefined),
    ...files,
    ...files.map((file) => pathToFileURL(file).href),
  ]);
  const table: { fc2: Float32Array; avg: Float32Array }[] = [];
  const options = { mode: 'cnn', model: join(dir, 'slim'), layer: 'fc2,block5_pool:avg' } as const;
  for await (const batch of extractBatches({ input: join(dir, 'images'), ...options })) {
    for (const row of batch) {
      table.push({
        fc2: row.cnn_vectors_fc2.toArray(),
        avg: row.cnn_vectors_block5_pool.toArray(),
      });
    }
  }
  expect(table).toHaveLength(files.length);
  for (const { index, vector, vectors } of rows) {
    const { fc2, avg } = table[index % files.length]!;
    expect(vector).toBe(vectors![0]);
    expectClose(vector!, fc2);
    expectClose(vectors![1]!, avg);
  }
});

test('a network of one channel gets what Pillow and Keras make of a colour image', async () => {
  const file = join(dir, 'gray.keras');
  await writeFile(file, await fixtureBytes('gray.keras3.keras'));
  const gray = join(dir, 'gray');
  await convertModel({ file, dir: gray, preprocessing: 'scale=1/255', inputSize: [12, 12] });
  const layer = 'conv2d:max';
  await using opened = await openModel(gray, { layer, workers: 1 });
  // A decoder turns each file into gray and resizes; the network is asked with these pixels too.
  const how = { width: 12, height: 12, resize: 'bicubic', exif: 'ignore', tiff: false } as const;
  const pngs = await Promise.all(
    files.map(async (path) => {
      const data = await decodeAndResize(await readFile(path), {
        ...{ ...how, channels: 'gray', maxPixels: 1e6 },
      });
      return sharp(data, { raw: { width: 12, height: 12, channels: 3 } })
        .png()
        .toBuffer();
    }),
  );
  const [colour, prepared] = [await opened.embed(files), await opened.embed(pngs)];
  expect(colour.map(({ vector }) => vector)).toEqual(prepared.map(({ vector }) => vector));
  await expect(openModel(gray, { preprocessing: 'caffe' })).rejects.toThrow('gray images');
});

test("the caller's bytes stay the caller's", async () => {
  const file = await readFile(files[0]!);
  const whole = new Uint8Array(file);
  await model.embed([whole, whole, whole]);
  expect(Buffer.compare(whole, file)).toBe(0);
});

test('a bad image is a row with its reason among the others', async () => {
  const [good] = files;
  const half = (await readFile(good!)).subarray(0, 60);
  const rows = await model.embed([good!, half, join(dir, 'nowhere.png'), new Uint8Array(0), good!]);
  expect(rows.map(({ rejection }) => rejection?.reason)).toEqual([
    undefined,
    'truncated',
    'vanished',
    'empty_file',
    undefined,
  ]);
  expect(rows[1]!.vector).toBeUndefined();
  expect(rows[4]!.vector).toBeInstanceOf(Float32Array);
  expect(rows[2]!.rejection!.message).toBe(
    'Expected a file but found none of that name; relative paths start at the working folder.',
  );
});

test('no images are no rows', async () => {
  expect(await model.embed([])).toEqual([]);
});

test('many calls at once get their own images back', async () => {
  const [alone] = await Promise.all(files.map(async (file) => (await model.embed([file]))[0]!));
  const calls = await Promise.all(
    Array.from({ length: 40 }, (_, i) => model.embed([files[i % files.length]!])),
  );
  expectClose(calls[0]![0]!.vector!, alone!.vector!);
  expect(calls.map(([row]) => row!.origin)).toEqual(calls.map((_, i) => files[i % files.length]));
  expectClose(calls[files.length]![0]!.vector!, alone!.vector!);
});

test('many calls may hang on one signal without a warning', async () => {
  const warnings: string[] = [];
  const hear = ({ name }: Error) => warnings.push(name);
  process.on('warning', hear);
  const { signal } = new AbortController();
  await Promise.all(files.concat(files).map((file) => model.embed([file], { signal })));
  await model.embed([...files, ...files, ...files], { signal });
  await new Promise(setImmediate);
  process.off('warning', hear);
  expect(warnings).toEqual([]);
});

test('a signal stops one call; the model takes the next', async () => {
  const stop = new AbortController();
  const call = model.embed(Array(200).fill(files[0]), { signal: stop.signal });
  setTimeout(() => stop.abort(), 30);
  await expect(call).rejects.toThrow(Interrupted);
  await expect(model.embed([files[0]!], { signal: stop.signal })).rejects.toThrow(Interrupted);
  expect((await model.embed([files[0]!]))[0]!.vector).toHaveLength(256);
});

test('what is neither bytes nor a path is refused before anything is decoded', async () => {
  await expect(model.embed([new ArrayBuffer(8) as unknown as Uint8Array])).rejects.toThrow(
    'Expected a Uint8Array or a path for image 0 but received object.',
  );
  const png = (await readFile(files[0]!)).toString('base64');
  for (const text of [png, `data:image/png;base64,${png}`]) {
    const error = await model.embed([text]).catch((failure) => failure);
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toContain('for image 0 but received base64 text.');
    expect(error.fix).toContain("Buffer.from(text, 'base64')");
  }
  for (const [one, found] of [
    [files[0]!, 'a string'],
    [await readFile(files[0]!), 'the bytes of one image'],
  ] as const) {
    const error = await model.embed(one as unknown as string[]).catch((failure) => failure);
    expect(error.message).toBe(`Expected a list of images for embed but received ${found}.`);
    expect(error.fix).toContain("model.embed(['a.jpg'])");
  }
  await expect(model.embed([files[0]!, 'https://example.org/cat.jpg'])).rejects.toThrow(
    'Expected a Uint8Array or a path for image 1 but received https://.',
  );
  await expect(model.embed([files[0]!, 's3://bucket/cat.jpg'])).rejects.toThrow(OptionError);
});

test('options are checked as on the command line', async () => {
  const misplaced = { with: 'features' } as api.ModelOptions;
  await expect(openModel(join(dir, 'slim'), misplaced)).rejects.toThrow(
    'Expected an option of openModel but received with.',
  );
  await expect(openModel(join(dir, 'slim'), { batch: 0 })).rejects.toThrow(
    'Expected an integer from 1 to 4096 for --batch but received 0.',
  );
  await expect(openModel(join(dir, 'slim'), { layer: 'fc9' })).rejects.toThrow('fc9');
  await cp(join(dir, 'slim'), join(dir, 'torn'), { recursive: true });
  await writeFile(join(dir, 'torn', 'model.json'), '{');
  await expect(openModel(join(dir, 'torn'))).rejects.toMatchObject({ tag: 'model' });
});

test(
  'a closed model leaves no process, and open calls are told',
  skipIf(!hasProc, 'no /proc on this system'),
  async () => {
    const before = childProcesses();
    const second = await openModel(join(dir, 'slim'), { layer: 'fc1' });
    expect(startedSince(before)).toHaveLength(1);
    const call = second.embed(Array(100).fill(files[0]));
    const told = expect(call).rejects.toThrow(
      'Expected an open model but found that it was closed.',
    );
    await second[Symbol.asyncDispose]();
    await told;
    expect(startedSince(before)).toEqual([]);
    await second.close();
    await expect(second.embed([files[0]!])).rejects.toThrow(EngineError);
  },
);

test(
  'when the engine dies, open and later calls are told, and it can be closed',
  skipIf(!hasProc, 'no /proc on this system'),
  async () => {
    const before = childProcesses();
    const second = await openModel(join(dir, 'slim'), { layer: 'fc1' });
    const call = second.embed(Array(200).fill(files[0]));
    const told = expect(call).rejects.toThrow(EngineError);
    const [engine] = startedSince(before);
    process.kill(engine!, 'SIGKILL');
    await told;
    await expect(second.embed([files[0]!])).rejects.toThrow(EngineError);
    await second.close();
    expect(startedSince(before)).toEqual([]);
  },
);

/** Within 1e-4 of the largest value: batches of another shape change the last bits. */
function expectClose(found: Float32Array, expected: Float32Array): void {
  expect(found.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  const error = Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)));
  expect(error).toBeLessThanOrEqual(1e-4 * largest);
}
