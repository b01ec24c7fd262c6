import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import h5wasm from 'h5wasm/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConvertModelOptions } from '../../src/convert/conversion-plan.ts';
import { convertModel } from '../../src/convert/convert-model.ts';
import { ModelError } from '../../src/errors.ts';
import { fixtureBytes, workFolder } from './keras-fixtures.ts';
import { writeZip } from './write-zip.ts';

let work: Awaited<ReturnType<typeof workFolder>>;
beforeAll(async () => {
  work = await workFolder();
});
afterAll(() => work.remove());

/** Converts bytes as a file; whatever happens, nothing half-written may stay. */
async function convert(
  name: string,
  bytes: Uint8Array,
  options: Partial<ConvertModelOptions> = {},
): Promise<ModelError | undefined> {
  const place = join(work.dir, 'one');
  await rm(place, { recursive: true, force: true });
  await mkdir(place);
  const file = await work.put(join('one', name), bytes);
  const started = performance.now();
  const dir = join(place, 'model');
  const error = await convertModel({ file, dir, preprocessing: 'none', ...options }).then(
    () => undefined,
    (caught) => caught,
  );
  expect(performance.now() - started).toBeLessThan(30_000);
  if (error === undefined) {
    expect((await readdir(place)).sort()).toEqual(['model', name].sort());
    return undefined;
  }
  expect(error).toBeInstanceOf(ModelError);
  expect(error.message).toMatch(/^Expected .* but found:? .*\.$/s);
  expect(error.fix).toBeTruthy();
  expect(await readdir(place)).toEqual([name]);
  return error;
}

/** A zip's first local header, up to the member's name. */
function zipStart(member: string): string {
  return `PK\x03\x04${'\0'.repeat(26)}${member}`;
}

function* seeded(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield (state >>> 0) / 2 ** 32;
  }
}

test.each(['vgg16.keras2-weights.h5', 'vgg16.keras3.keras', 'twins.keras3-model.h5'])(
  '%s cut at 20 places is an error each time',
  async (name) => {
    const whole = await fixtureBytes(name);
    for (let i = 0; i < 20; i++) {
      const cut = whole.subarray(0, Math.floor((whole.length * i) / 20));
      const error = await convert(name, cut);
      expect(error?.message, `${cut.length} of ${whole.length} bytes`).toMatch(
        /truncated file|file signature|an empty file|readable \.keras archive|HDF5/,
      );
    }
  },
);

test('flipped bytes in HDF5 headers end in a model or one clear error', async () => {
  const whole = await fixtureBytes('vgg16.keras2-weights.h5');
  const random = seeded(4711);
  const next = (limit: number) => Math.floor(random.next().value! * limit);
  const outcomes = { converted: 0, refused: 0 };
  for (let i = 0; i < 24; i++) {
    const bytes = Buffer.from(whole);
    for (let flips = 0; flips < 4; flips++) bytes[next(6000)]! ^= 1 << next(8);
    const error = await convert('x.h5', bytes, { arch: 'vgg16' });
    outcomes[error === undefined ? 'converted' : 'refused']++;
  }
  expect(outcomes.refused).toBeGreaterThan(10);
});

test('lengths of gigabytes in a damaged header take no gigabytes of memory', async () => {
  // A name is its length (4 bytes) and its place in a heap: every length becomes 0x78…….
  const bytes = await fixtureBytes('mobilenetv2.renamed-weights.h5');
  const heap = bytes.indexOf('GCOL');
  const address = Buffer.alloc(8);
  address.writeUInt32LE(heap);
  for (let at = bytes.indexOf(address); at >= 0 && at < heap; at = bytes.indexOf(address, at + 8)) {
    bytes[at - 1] = 0x78;
  }
  const peakBefore = process.resourceUsage().maxRSS;
  const error = await convert('x.h5', bytes, { arch: 'mobilenetv2' });
  expect(error?.message).toContain('Expected a readable HDF5 file');
  expect(process.resourceUsage().maxRSS - peakBefore).toBeLessThan(1_000_000);
});

test('a .keras file with any byte of its members flipped fails its checksum', async () => {
  const whole = await fixtureBytes('twins.keras3.keras');
  const weights = whole.indexOf('\x89HDF', 'latin1');
  for (const at of [weights + 900, weights + 5000, whole.indexOf('"trainable"') + 3]) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 4;
    expect((await convert('x.keras', bytes))?.message).toContain('checksum');
  }
});

test.each([
  ['\xff\xd8\xff\xe0\x00\x10JFIF', 'a JPEG image'],
  ['\x89PNG\r\n\x1a\n', 'a PNG image'],
  ['', 'an empty file'],
  ['version https://git-lfs.github.com/spec/v1\n', 'a Git LFS pointer'],
  ['<!DOCTYPE html>', 'an HTML or XML page'],
  ['\x1f\x8b\x08', 'a gzip file'],
  ['hello', 'something else'],
  ['\x93NUMPY\x01\0', 'a NumPy array'],
  [zipStart('weight.npy'), 'a NumPy archive (.npz)'],
  [zipStart('resnet/data.pkl'), 'a PyTorch file'],
  ['\x80\x02\x8a\nl\xfc', 'a PyTorch file'],
  ['\x08\x07\x12\x07pytorch', 'an ONNX file'],
  ['\x1c\0\0\0TFL3', 'a TensorFlow Lite file'],
  ['\x70\x01\0\0\0\0\0\0{"conv1"', 'a safetensors file'],
  ['\n\x1a\n\x05input\x12\x0bPlaceholder', 'a frozen TensorFlow graph'],
  ['\x08\x01\x12\x80\x9a', 'a TensorFlow SavedModel'],
])('%j named .h5 is found to be %s', async (start, found) => {
  const error = await convert('model.h5', Buffer.from(start, 'latin1'));
  expect(error?.message).toMatch(
    /^Expected a Keras file \(HDF5 or \.keras\) or a tfjs model\.json in /,
  );
  expect(error?.message).toContain(`but found ${found}.`);
});

test.each([
  ['net.pth', 'PK\x03\x04', 'a PyTorch file', 'Only Keras models can be used'],
  ['net.onnx', '\x08', 'an ONNX file', 'Only Keras models can be used'],
  ['net.tflite', '', 'a TensorFlow Lite file', 'Only Keras models can be used'],
  ['net.safetensors', 'x', 'a safetensors file', 'Only Keras models can be used'],
  ['net.npz', 'x', 'a NumPy archive (.npz)', 'Only Keras models can be used'],
  ['frozen.pb', 'x', 'a frozen TensorFlow graph', 'Only Keras models can be used'],
  ['ckpt.index', 'x', 'a TensorFlow checkpoint', 'model.load_weights'],
  ['saved_model.pb', 'x', 'a TensorFlow SavedModel', 'tf_keras.models.load_model'],
])('%s is named for what it is, with what can be done', async (name, start, found, fix) => {
  const error = await convert(name, Buffer.from(start, 'latin1'));
  expect(error?.message).toContain(`but found ${found}.`);
  expect(error?.fix).toContain(fix);
});

test('a missing file and a folder are said to be that', async () => {
  const dir = join(work.dir, 'out');
  await expect(convertModel({ file: join(work.dir, 'none.h5'), dir })).rejects.toThrow(
    'but found: no such file.',
  );
  await expect(convertModel({ file: work.dir, dir })).rejects.toThrow(
    'but found a folder without them.',
  );
});

const JSONS = [
  { name: 'metadata.json', content: Buffer.from('{"keras_version": "3.15.1"}') },
  { name: 'config.json', content: Buffer.from('{"class_name": "Functional", "config": {}}') },
];

test('a zip bomb named .keras is refused before it unpacks', async () => {
  const zeros = Buffer.alloc(100_000_000);
  const bomb = writeZip([...JSONS, { name: 'model.weights.h5', content: zeros, isPacked: true }]);
  const before = process.memoryUsage.rss();
  const error = await convert('bomb.keras', bomb);
  expect(error?.message).toMatch(/found \d{5,6} bytes that would unpack to 100000000\.$/);
  expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000);
});

test('a zip that declares less than it unpacks to is stopped', async () => {
  const content = Buffer.alloc(50_000_000);
  for (const name of ['model.weights.h5', 'config.json']) {
    const bomb = writeZip([
      ...JSONS.filter((member) => member.name !== name),
      ...(name === 'config.json' ? [{ name: 'model.weights.h5', content: Buffer.alloc(9) }] : []),
      { name, content, isPacked: true, declaredSize: 1000 },
    ]);
    expect((await convert('bomb.keras', bomb))?.message).toContain('too many bytes');
  }
});

test('zips that are no .keras file', async () => {
  const stranger = writeZip([{ name: 'word/document.xml', content: Buffer.from('<x/>') }]);
  expect((await convert('x.keras', stranger))?.message).toContain(
    'a zip without config.json and model.weights.h5',
  );
  expect((await convert('x.keras', writeZip(JSONS)))?.message).toContain(
    'Expected model.weights.h5 in the .keras archive but found none.',
  );
  const twice = writeZip([...JSONS, ...JSONS]);
  expect((await convert('x.keras', twice))?.message).toContain('metadata.json twice');
});

test('HDF5 files that Keras did not write', async () => {
  await h5wasm.ready;
  const path = join(work.dir, 'other.h5');
  const other = new h5wasm.File(path, 'w');
  other.create_dataset({ name: 'measurement', data: new Float32Array([1, 2]) });
  other.close();
  expect((await convert('other.h5', await readFile(path)))?.message).toContain(
    'an HDF5 file with measurement in it',
  );
});

test('an HDF5 file that declares gigabytes of packed zeros is refused', async () => {
  await h5wasm.ready;
  const path = join(work.dir, 'zeros.h5');
  const file = new h5wasm.File(path, 'w');
  file.create_attribute('layer_names', ['fc1']);
  const group = file.create_group('fc1');
  group.create_attribute('weight_names', ['kernel:0']);
  group.create_dataset({
    name: 'kernel:0',
    data: new Float32Array(25_000_000),
    shape: [5000, 5000],
    chunks: [500, 5000],
    compression: 9,
  });
  file.close();
  expect((await convert('zeros.h5', await readFile(path)))?.message).toMatch(
    /^Expected weights within \d+ bytes of .* but found 100000000 declared\.$/,
  );
});

test('weights of another network or shape name the layer', async () => {
  const weights = await fixtureBytes('vgg16.keras3.weights.h5');
  expect((await convert('x.h5', weights, { arch: 'vgg19' }))?.message).toBe(
    'Expected the 19 or 16 layers with weights of a vgg19 but found 16, without "block3_conv4".',
  );
  const unnamed = await fixtureBytes('vgg16.keras2.weights.h5');
  expect((await convert('x.h5', unnamed, { arch: 'resnet50' }))?.message).toMatch(
    /^Expected the 107 or 106 layers with weights of a resnet50 but found 16/,
  );
  expect((await convert('x.h5', unnamed))?.message).toContain('a file of weights alone');
  // The same length in the file: the dataset keeps its 8 units, the model says 9.
  const model = (await fixtureBytes('vgg16.keras3-model.h5')).toString('latin1');
  const fc1 = model.indexOf('"units": 8');
  const other = Buffer.from(`${model.slice(0, fc1)}"units": 9${model.slice(fc1 + 10)}`, 'latin1');
  expect((await convert('x.h5', other))?.message).toBe(
    'Expected shape [16, 9] for fc1/kernel but found [16, 8] in the file.',
  );
});
