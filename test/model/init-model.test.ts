import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { initModel } from '../../src/model/init-model.ts';
import { seededWeights } from '../../src/model/seeded-weights.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'img2features-init-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const draw = (name: string, shape: number[], seed = 1, scale = { gain: 2, inputScale: 1 }) => {
  const parts: Uint8Array[] = [];
  // The generator hands out one buffer again and again.
  for (const chunk of seededWeights({ name, shape, dtype: 'float32' }, seed, scale)) {
    parts.push(chunk.slice());
  }
  return new Float32Array(Uint8Array.from(Buffer.concat(parts)).buffer);
};

describe('seeded weights', () => {
  test('are these bits, on every machine', () => {
    expect([...draw('conv/kernel', [1, 1, 6, 1])]).toMatchInlineSnapshot(`
      [
        0.2632712125778198,
        -0.19952607154846191,
        0.5916985273361206,
        0.9543743133544922,
        -0.15741252899169922,
        0.5635693073272705,
      ]
    `);
  });

  test('depend on the seed', () => {
    expect(draw('conv/kernel', [4], 1)).not.toEqual(draw('conv/kernel', [4], 2));
  });

  test('depend on the name and not on the order', () => {
    expect(draw('a/kernel', [4])).not.toEqual(draw('b/kernel', [4]));
    expect(draw('a/kernel', [4])).toEqual(draw('a/kernel', [4]));
  });

  test('do not repeat across chunks', () => {
    const values = draw('fc/kernel', [600, 1000]);
    expect(values.length).toBe(600_000);
    expect(values.subarray(0, 4)).not.toEqual(values.subarray(256 * 1024, 256 * 1024 + 4));
    expect(new Set(values).size).toBeGreaterThan(580_000);
  });

  test.each([
    ['fc/kernel', [500, 200], 2 / 500],
    ['conv/kernel', [3, 3, 64, 128], 2 / (3 * 3 * 64)],
    ['conv/depthwise_kernel', [3, 3, 4096, 1], 2 / 9],
  ])('of %s %j have mean 0 and variance 2 / fan_in', (name, shape, variance) => {
    const values = draw(name, shape);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.02 * Math.sqrt(variance));
    expect(squares / variance).toBeGreaterThan(0.98);
    expect(squares / variance).toBeLessThan(1.02);
  });

  test('leave normalisation alone: scale and variance 1, shifts within 0.1', () => {
    expect([...draw('bn/gamma', [2])]).toEqual([1, 1]);
    expect([...draw('bn/moving_variance', [2])]).toEqual([1, 1]);
    for (const name of ['bn/beta', 'bn/moving_mean', 'conv/bias']) {
      const largest = Math.max(...draw(name, [1000]).map(Math.abs));
      expect(largest).toBeGreaterThan(0.09);
      expect(largest).toBeLessThanOrEqual(Math.fround(0.1));
    }
  });
});

describe('a seeded model', () => {
  // The sums stand for the bytes: another machine, Node release or refactoring must give the same.
  test.each([
    ['vgg16', '8989d7570afc70c182932eff49ee7c97fe6e565c777dcb9b727b338138de492b'],
    ['vgg19', '59ce7b11f71cfa7152c6b606be663609eb0caf3d05ff301334feacbe43efadfd'],
    ['resnet50', '7a247ad4d5f8ca315b132b78567b4ebc2dec0538589289884bfdeae5622bf17c'],
    ['mobilenetv2', '7fbdf494fd13dcb857f80239e560958d2b43c3241c29a904b17b5af4456f68ea'],
  ])('%s has the same bytes everywhere', async (architecture, sha256) => {
    const dir = join(root, architecture);
    const { metadata } = await initModel({ architecture, seed: 7, width: 0.0625, dir });
    expect(metadata.weightsSha256).toBe(sha256);
  });

  test('says that it is not trained, and what it is', async () => {
    const dir = join(root, 'slim');
    const folder = await initModel({
      architecture: 'vgg16',
      seed: 3,
      width: 0.05,
      classes: 5,
      dir,
    });
    expect(folder.metadata).toMatchObject({
      architecture: 'vgg16',
      preprocessing: 'caffe',
      inputSize: [224, 224],
      trained: false,
      source: { kind: 'seeded', seed: 3, width: 0.05 },
    });
    expect(folder.weights.at(-1)).toEqual({
      name: 'predictions/bias',
      shape: [5],
      dtype: 'float32',
    });
  });

  test('without top ends at its last map', async () => {
    const dir = join(root, 'notop');
    const options = { architecture: 'vgg16', seed: 3, width: 0.05, includeTop: false, dir };
    const { weights } = await initModel(options);
    expect(weights.at(-1)!.name).toBe('block5_conv3/bias');
  });

  test.each([
    [{ seed: -1 }, 'Expected a whole number from 0 to 4294967295 for seed but found -1.'],
    [{ seed: 1.5 }, 'but found 1.5'],
    [{ seed: 2 ** 32 }, 'but found 4294967296'],
    [{ architecture: 'alexnet' }, 'for the architecture but found "alexnet"'],
    [{ width: -1 }, 'for width but found -1'],
  ])('%o is refused before anything is written', async (wrong, message) => {
    const options = { architecture: 'vgg16', seed: 1, dir: join(root, 'x'), ...wrong };
    await expect(initModel(options)).rejects.toThrow(message);
    expect(await readdir(root)).toEqual([]);
  });
});
