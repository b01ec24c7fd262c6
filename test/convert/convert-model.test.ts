import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import {
  agreement,
  FIXTURES,
  fixtureBytes,
  floats,
  predict,
  workFolder,
} from './keras-fixtures.ts';

let work: Awaited<ReturnType<typeof workFolder>>;
beforeAll(async () => {
  work = await workFolder();
});
afterAll(() => work.remove());

async function convert(name: string, options: Partial<Parameters<typeof convertModel>[0]> = {}) {
  const file = await work.put(name, await fixtureBytes(name));
  return convertModel({ file, dir: join(work.dir, `${name}.model`), overwrite: true, ...options });
}

const cases = Object.entries(FIXTURES).flatMap(([model, fixture]) =>
  Object.entries(fixture.files).map(([suffix, generation]) => ({ model, suffix, generation })),
);

describe("a converted model computes Keras' own numbers", () => {
  test.each(cases)('$model from $suffix', async ({ model, suffix, generation }) => {
    const fixture = FIXTURES[model]!;
    const expected = fixture.outputs[generation]!;
    const architecture = model.split('-')[0]!;
    const isKnown = ['vgg16', 'vgg19', 'resnet50', 'mobilenetv2'].includes(architecture);
    const needsArch = suffix.includes('weights') && isKnown;
    const isOpen = model === 'gray';
    const size = model.endsWith('notop') || /resnet|mobilenet/.test(model);
    const converted = await convert(`${model}.${suffix}`, {
      ...(needsArch && { arch: architecture }),
      ...(((needsArch && size) || isOpen) && { inputSize: [fixture.side, fixture.side] as const }),
      ...(!isKnown && { preprocessing: fixture.preprocessing }),
    });
    expect(converted.metadata).toMatchObject({
      architecture: isKnown ? architecture : null,
      preprocessing: fixture.preprocessing,
      inputSize: [fixture.side, fixture.side],
      trained: true,
    });
    const found = await predict(converted, fixture, Object.keys(expected));
    for (const [layer, { shape, values }] of Object.entries(expected)) {
      expect(found.get(layer)!.shape, layer).toEqual(shape);
      const { error, cosine } = agreement(found.get(layer)!.values, floats(values));
      expect(error, `${layer}: largest error`).toBeLessThanOrEqual(fixture.tolerance ?? 1e-4);
      expect(cosine, `${layer}: cosine`).toBeGreaterThanOrEqual(
        1 - (fixture.tolerance ?? 1e-5) / 10,
      );
    }
  });
});
