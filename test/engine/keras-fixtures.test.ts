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

const CASES = ['unit.keras3.keras', 'gray.keras2-model.h5', 'gray.keras3.keras'].flatMap((file) =>
  engines.map(([device, engine]) => ({ file, device, engine })),
);

test.each(CASES)("$file gives Keras' numbers on $device, $engine", async (given) => {
  const { file, device, engine: kind } = given;
  const [name, generation] = file.split(/[.-]/) as [string, 'keras2' | 'keras3'];
  const { side, images, outputs, preprocessing } = FIXTURES[name]!;
  const model = await convertModel({
    file: await work.put(file, await fixtureBytes(file)),
    dir: join(work.dir, 'model'),
    overwrite: true,
    preprocessing,
    inputSize: [side, side],
  });
  const engine = await open(model, { device, engine: kind });
  expect(engine.info).toMatchObject({ device, engine: kind });
  const [found] = await engine.run(inflateSync(Buffer.from(images, 'base64')), 2);
  const expected = floats(outputs[generation]!.output_0!.values);
  const { error, cosine } = agreement(found!, expected);
  expect(error).toBeLessThanOrEqual(1e-5);
  expect(cosine).toBeGreaterThanOrEqual(0.999999);
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
