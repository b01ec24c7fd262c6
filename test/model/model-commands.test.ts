import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatModelInfo, runModelInfo } from '../../src/commands/model-info.ts';
import { formatModelInit, runModelInit } from '../../src/commands/write-model.ts';

let root: string;
let dir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'img2features-command-'));
  dir = join(root, 'vgg16-slim');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const slim = { architecture: 'vgg16', seed: 3, width: 0.05, classes: 10 };
const strip = (text: string) => text.replaceAll(dir, '<dir>').replace(/[0-9a-f]{64}/g, '<sha256>');

async function changeJson(change: Record<string, unknown>) {
  const path = join(dir, 'model.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }));
}

describe('model init', () => {
  test('writes a model and says that it is not trained', async () => {
    const result = await runModelInit({ ...slim, dir });
    expect(result).toMatchObject({ dir, params: 343_732, trained: false, wasThere: false });
    expect(strip(formatModelInit({ ...result, ms: 1500 }))).toMatchInlineSnapshot(`
      "Wrote: <dir> (vgg16, 343,732 weights, 1.4 MB, seed 3, width 0.05) in 1.5 s
      NOT TRAINED: seeded weights for demos, tests and benchmarks. The features mean nothing.
      "
    `);
  });

  test('leaves its own earlier result alone', async () => {
    const first = await runModelInit({ ...slim, dir });
    const { mtimeMs } = await stat(join(dir, 'model.json'));
    const second = await runModelInit({ ...slim, dir });
    expect(second).toEqual({ ...first, wasThere: true, ms: second.ms });
    expect((await stat(join(dir, 'model.json'))).mtimeMs).toBe(mtimeMs);
    expect(formatModelInit(second)).toMatch(/^Already there: /);
  });

  test.each([{ seed: 4 }, { width: 0.06 }, { classes: 11 }, { includeTop: false }])(
    'does not take another model for its own: %o',
    async (other) => {
      await runModelInit({ ...slim, dir });
      await expect(runModelInit({ ...slim, ...other, dir })).rejects.toThrow(
        'Expected a new folder for the model',
      );
    },
  );

  test('replaces another model with overwrite', async () => {
    await runModelInit({ ...slim, dir });
    const { seed } = await runModelInit({ ...slim, seed: 4, dir, overwrite: true });
    expect(seed).toBe(4);
    expect((await runModelInfo({ dir, verify: true })).source).toMatchObject({ seed: 4 });
  });
});

describe('model info', () => {
  test('prints head, layers and good features', async () => {
    await runModelInit({ ...slim, dir });
    const info = await runModelInfo({ dir, verify: true });
    expect(JSON.parse(JSON.stringify(info))).toEqual(info);
    expect(strip(formatModelInfo(info))).toMatchInlineSnapshot(`
      "Model          <dir>
      Architecture   vgg16, input 224×224 RGB
      Preprocessing  caffe
      Weights        343,732 values, 1.4 MB in 1 file
      Origin         img2features model init, seed 3, width 0.05
      SHA-256        <sha256> (weights, computed)

      NOT TRAINED: seeded weights for demos, tests and benchmarks. The features mean nothing.

      Layer         Class         Output     Weights
      input_1       InputLayer    224×224×3        0
      block1_conv1  Conv2D        224×224×3       84
      block1_conv2  Conv2D        224×224×3       84
      block1_pool   MaxPooling2D  112×112×3        0
      block2_conv1  Conv2D        112×112×6      168
      block2_conv2  Conv2D        112×112×6      330
      block2_pool   MaxPooling2D  56×56×6          0
      block3_conv1  Conv2D        56×56×13       715
      block3_conv2  Conv2D        56×56×13     1,534
      block3_conv3  Conv2D        56×56×13     1,534
      block3_pool   MaxPooling2D  28×28×13         0
      block4_conv1  Conv2D        28×28×26     3,068
      block4_conv2  Conv2D        28×28×26     6,110
      block4_conv3  Conv2D        28×28×26     6,110
      block4_pool   MaxPooling2D  14×14×26         0
      block5_conv1  Conv2D        14×14×26     6,110
      block5_conv2  Conv2D        14×14×26     6,110
      block5_conv3  Conv2D        14×14×26     6,110
      block5_pool   MaxPooling2D  7×7×26           0
      flatten       Flatten       1274             0
      fc1           Dense         205        261,375
      fc2           Dense         205         42,230
      predictions   Dense         10           2,060

      Good features (--layer):
        fc2              205  fully connected
        fc1              205  fully connected
        block5_pool:avg   26  average over 7×7 places
        block4_pool:avg   26  average over 14×14 places
      Without --layer: predictions.
      "
    `);
  });

  test('names the Keras file and its SHA-256', async () => {
    await runModelInit({ ...slim, dir });
    const info = await runModelInfo({ dir });
    const text = formatModelInfo({
      ...info,
      trained: true,
      source: { kind: 'keras', file: 'vgg16.h5', format: 'Keras 2 weights', sha256: 'c0ffee' },
    });
    expect(text).toContain('Origin         vgg16.h5 (Keras 2 weights)\n  its SHA-256  c0ffee\n');
    expect(text).not.toContain('NOT TRAINED');
  });

  test('describes a model of another tool and asks for its preprocessing', async () => {
    await runModelInit({ ...slim, dir });
    await changeJson({ userDefinedMetadata: undefined, generatedBy: 'keras v2.15.0' });
    const info = await runModelInfo({ dir });
    expect(info.preprocessing).toBeNull();
    expect(formatModelInfo(info)).toContain('Preprocessing  unknown: give --preprocessing');
    expect(formatModelInfo(info)).toContain('Origin         written by keras v2.15.0');
  });

  test('lets no control character of a layer name reach the terminal', async () => {
    await runModelInit({ ...slim, dir });
    const info = await runModelInfo({ dir });
    const [layer] = info.layers;
    const text = formatModelInfo({ ...info, layers: [{ ...layer!, name: 'a\u001b[31m' }] });
    expect(text).toContain('a\\u{1b}[31m');
  });

  test('fails on weights that changed', async () => {
    const { weightsSha256 } = await runModelInit({ ...slim, dir });
    const shard = join(dir, 'group1-shard1of1.bin');
    const bytes = await readFile(shard);
    bytes[100]! ^= 255;
    await writeFile(shard, bytes);
    await expect(runModelInfo({ dir })).rejects.toThrow(
      `Expected weights with SHA-256 ${weightsSha256}`,
    );
  });
});
