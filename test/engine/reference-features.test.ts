import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import { decodeAndResize } from '../../src/image/decode-and-resize.ts';
import { readNpz } from '../../src/reduce/npz.ts';
import { describeReference } from '../reference.ts';
import { devices, open } from './open-engines.ts';
import { temporaryDir } from './tiny-model.ts';

const DECODE = {
  width: 224,
  height: 224,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 1e9,
  tiff: false,
} as const;

/** Array names of reference-features.npz by what gives them. */
const LAYERS = {
  'block5_pool:none': 'block5_pool',
  'block5_pool:avg': 'block5_pool_avg',
  'block5_pool:max': 'block5_pool_max',
  fc1: 'fc1',
  fc2: 'fc2',
  predictions: 'predictions',
};

describeReference('the features of real Keras', (dir) => {
  const keras = join(dir, 'reference/keras');
  const files: string[] = JSON.parse(readFileSync(join(keras, 'files.json'), 'utf8'));
  const expected = readNpz(readFileSync(join(keras, 'reference-features.npz')));
  const pixels = new Uint8Array(files.length * 224 * 224 * 3);

  beforeAll(async () => {
    for (const [i, file] of files.entries()) {
      const bytes = await readFile(join(dir, 'data', file));
      pixels.set(await decodeAndResize(bytes, DECODE), i * 224 * 224 * 3);
    }
  });

  test.each(devices)(
    'every layer of 64 images is Keras’ own on %s',
    {
      timeout: 120_000,
    },
    async (device) => {
      const file = join(keras, 'vgg16-slim.keras');
      const folder = await convertModel({ file, dir: join(temporaryDir(), 'slim') });
      const engine = await open(folder, { device, layers: Object.keys(LAYERS).join(',') });
      const outputs = await engine.run(pixels.slice(), files.length);
      for (const [i, name] of Object.values(LAYERS).entries()) {
        const reference = expected.get(name)!.data as Float32Array;
        expect(outputs[i]).toHaveLength(reference.length);
        const { error, cosine } = compare(outputs[i], reference, files.length);
        expect(error, `${name}: |a − b| / max|b|`).toBeLessThanOrEqual(1e-4);
        expect(cosine, `${name}: smallest cosine`).toBeGreaterThanOrEqual(0.999999);
      }
    },
  );
});

/** Largest error by the largest value, and the smallest cosine of a row. */
function compare(a: Float32Array, b: Float32Array, rows: number) {
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = b.reduce((most, value, i) => Math.max(most, Math.abs(value - a[i])), 0);
  const length = b.length / rows;
  let cosine = 1;
  for (let start = 0; start < b.length; start += length) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = start; i < start + length; i++) {
      ab += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    cosine = Math.min(cosine, ab / Math.sqrt(aa * bb));
  }
  return { error: error / largest, cosine };
}
