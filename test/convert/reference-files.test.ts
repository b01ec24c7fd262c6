import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import { decodeAndResize } from '../../src/image/decode-and-resize.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { readNpz } from '../../src/reduce/npz.ts';
import type { Device } from '../../src/runtime/choose-device.ts';
import { devices, open } from '../engine/open-engines.ts';
import { describeReference } from '../reference.ts';
import { agreement, workFolder } from './keras-fixtures.ts';

const DECODE = {
  width: 224,
  height: 224,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 1e9,
  tiff: false,
} as const;

/** File → its format, and whether it is the whole network. */
const FILES = {
  'vgg16-slim.keras2-weights.h5': ['weights .h5', true],
  'vgg16-slim.keras2-model.h5': ['Keras 2 model .h5', true],
  'vgg16-slim.keras3-model.h5': ['Keras 3 model .h5', true],
  'vgg16-slim.weights.h5': ['.weights.h5', true],
  'vgg16-slim.keras': ['.keras', true],
  'vgg16-slim_notop.keras2-weights.h5': ['weights .h5', false],
} as const;

const POOLED = {
  block5_pool: 'block5_pool',
  'block5_pool:avg': 'block5_pool_avg',
  'block5_pool:max': 'block5_pool_max',
};
const TOP = { fc1: 'fc1', fc2: 'fc2', predictions: 'predictions' };

describeReference('a slim VGG16 in the six layouts of Keras', (dir) => {
  const keras = join(dir, 'reference/keras');
  const files: string[] = JSON.parse(readFileSync(join(keras, 'files.json'), 'utf8'));
  const expected = readNpz(readFileSync(join(keras, 'reference-features.npz')));
  const pixels = new Uint8Array(files.length * 224 * 224 * 3);
  const converted = new Map<string, ModelFolder>();
  let work: Awaited<ReturnType<typeof workFolder>>;

  beforeAll(async () => {
    work = await workFolder();
    for (const [i, file] of files.entries()) {
      const bytes = await readFile(join(dir, 'data', file));
      pixels.set(await decodeAndResize(bytes, DECODE), i * 224 * 224 * 3);
    }
    for (const file of Object.keys(FILES)) {
      const options = file.includes('weights') ? { arch: 'vgg16' } : {};
      converted.set(
        file,
        await convertModel({ file: join(keras, file), dir: join(work.dir, file), ...options }),
      );
    }
  });
  afterAll(() => work.remove());

  test('all convert, and the five whole ones hold the same weights', () => {
    for (const [file, [format]] of Object.entries(FILES)) {
      expect(converted.get(file)!.metadata).toMatchObject({
        architecture: 'vgg16',
        preprocessing: 'caffe',
        inputSize: [224, 224],
        source: { kind: 'keras', file, format },
      });
    }
    const whole = Object.entries(FILES).filter(([, [, isWhole]]) => isWhole);
    const sums = whole.map(([file]) => converted.get(file)!.metadata.weightsSha256);
    expect(new Set(sums).size).toBe(1);
  });

  // The five whole ones hold the same weights (above): WebAssembly, the slow engine, runs two of them.
  const runs: Readonly<Record<Device, readonly string[]>> = {
    cpu: Object.keys(FILES),
    wasm: ['vgg16-slim.weights.h5', 'vgg16-slim_notop.keras2-weights.h5'],
    cuda: [],
  };

  describe.each(devices)('on %s', (device) => {
    test.each(Object.entries(FILES).filter(([file]) => runs[device].includes(file)))(
      '%s gives Keras’ features of 64 images',
      async (file, [, isWhole]) => {
        const layers = isWhole ? { ...POOLED, ...TOP } : POOLED;
        const engine = await open(converted.get(file)!, {
          device,
          layers: Object.keys(layers).join(','),
        });
        const outputs = await engine.run(pixels.slice(), files.length);
        for (const [i, name] of Object.values(layers).entries()) {
          const reference = expected.get(name)!.data as Float32Array;
          const { error, cosine } = agreement(outputs[i]!, reference);
          expect(error, `${name}: |a − b| / max|b|`).toBeLessThanOrEqual(1e-4);
          expect(cosine, `${name}: cosine`).toBeGreaterThanOrEqual(0.999999);
        }
      },
      120_000,
    );
  });
});
