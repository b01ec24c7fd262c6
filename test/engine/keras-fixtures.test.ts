import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import type { Preprocessing } from '../../src/options/preprocessing.ts';
import {
  agreement,
  FIXTURES,
  fixtureBytes,
  floats,
  workFolder,
} from '../convert/keras-fixtures.ts';
import { engines, open } from './open-engines.ts';

let work: Awaited<ReturnType<typeof workFolder>>;
beforeAll(async () => {
  work = await workFolder();
});
afterAll(() => work.remove());

/** Layer by layer is the same code on both devices. */
const ENGINES = engines.filter(([device, engine]) => (device === 'cpu') === (engine === 'graph'));

const CASES = Object.entries({
  unit: ['keras3.keras'],
  gray: ['keras2-model.h5', 'keras3.keras'],
  'keras1-sequential': ['model.h5'],
  'keras1-graph': ['model.h5'],
  float16: ['keras3.keras'],
  mixed_float16: ['keras2-model.h5'],
  bfloat16: ['keras3.keras', 'keras3-model.h5'],
}).flatMap(([name, suffixes]) =>
  suffixes.flatMap((suffix) =>
    ENGINES.map(([device, engine]) => ({ name, suffix, device, engine })),
  ),
);

test.each(CASES)("$name, $suffix: gives Keras' numbers on $device, $engine", async (given) => {
  const { name, suffix, device, engine: kind } = given;
  const { side, images, files, outputs, preprocessing, tolerance = 1e-5 } = FIXTURES[name]!;
  const model = await convertModel({
    file: await work.put('keras-file', await fixtureBytes(`${name}.${suffix}`)),
    dir: join(work.dir, 'model'),
    overwrite: true,
    preprocessing,
    inputSize: [side, side],
  });
  const engine = await open(model, { device, engine: kind });
  expect(engine.info).toMatchObject({ device, engine: kind });
  const [found] = await engine.run(inflateSync(Buffer.from(images, 'base64')), 2);
  const expected = floats(outputs[files[suffix]!]!.output_0!.values);
  const { error, cosine } = agreement(found!, expected);
  expect(error).toBeLessThanOrEqual(tolerance);
  expect(cosine).toBeGreaterThanOrEqual(1 - tolerance / 10);
});

test.each<Preprocessing>(['caffe', 'torch', 'mean=1:2:3'])(
  'a network of gray images is not given the preprocessing %s',
  async (preprocessing) => {
    const file = await work.put('gray.keras', await fixtureBytes('gray.keras3.keras'));
    const converting = convertModel({
      ...{ file, dir: join(work.dir, 'gray'), inputSize: [12, 12], overwrite: true },
      preprocessing,
    });
    await expect(converting).rejects.toThrow(
      `Expected a preprocessing of gray images but found ${preprocessing}`,
    );
  },
);

test('a model that leaves its input size open is told how to close it', async () => {
  const file = await work.put('gray.keras', await fixtureBytes('gray.keras3.keras'));
  const error = await convertModel({
    ...{ file, dir: join(work.dir, 'gray'), preprocessing: 'unit', overwrite: true },
  }).catch((failure) => failure);
  expect(error.message).toContain('the model leaves it open');
  expect(error.fix).toContain('--input-size 224');
});
