import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { EngineKind } from '../../../src/engine/engine.ts';
import { createPreprocess } from '../../../src/engine/preprocess.ts';
import { EngineError, OptionError } from '../../../src/errors.ts';
import {
  add,
  batchNormalization,
  conv2d,
  dense,
  depthwiseConv2d,
  flatten,
  input,
  type LayerRow,
  maxPooling2d,
  relu6,
  zeroPadding2d,
} from '../../../src/model/architectures/keras-layers.ts';
import { initModel } from '../../../src/model/init-model.ts';
import type { ModelFolder } from '../../../src/model/model-folder.ts';
import { NO_TENSORFLOW, skipIf } from '../../skip-if.ts';
import { rejection } from '../caught.ts';
import { found, open } from '../open-engines.ts';
import {
  functional,
  randomWeights,
  TINY_LAYERS,
  TINY_WEIGHTS,
  writeTinyModel,
} from '../tiny-model.ts';
import { relativeError, smallestCosine, somePixels } from './compare.ts';

// biome-ignore format: one line for each architecture
const LAYERS = {
  vgg16: 'fc1,block5_pool,block5_pool:avg,block5_pool:max,predictions',
  vgg19: 'fc2,block3_conv4:max,predictions',
  resnet50: 'conv1_conv:avg,conv2_block1_0_bn:max,conv4_block6_out:avg,conv5_block3_out,predictions',
  mobilenetv2: 'Conv1:avg,block_5_add:max,out_relu,out_relu:avg,predictions',
};

describe('the graph engine', skipIf(found.cpu === undefined, NO_TENSORFLOW), () => {
  test.each(Object.entries(LAYERS))(
    '%s gives what the eager engine gives',
    async (name, layers) => {
      const eager = await runOnce(await narrowModel(name), 'eager', layers, somePixels(2, 224), 2);
      const graph = await fullPrecision(name as keyof typeof LAYERS);
      expect(graph).toHaveLength(layers.split(',').length);
      for (const [i, layer] of layers.split(',').entries()) {
        expect(graph[i]).toHaveLength(eager[i].length);
        expect(relativeError(graph[i], eager[i]), layer).toBeLessThanOrEqual(1e-5);
      }
    },
  );

  test('layers outside these networks give what the eager engine gives', async () => {
    const folder = await writeTinyModel(
      functional(ODD_LAYERS, 'probabilities'),
      randomWeights(ODD_LAYERS),
      [9, 9],
    );
    const layers = 'image,padded,even,wide,joined:avg,joined:max,top,peak,probabilities';
    const pixels = somePixels(3, 9);
    const eager = await runOnce(folder, 'eager', layers, pixels, 3);
    const graph = await runOnce(folder, 'graph', layers, pixels, 3);
    for (const [i, layer] of layers.split(',').entries()) {
      expect(graph[i]).toHaveLength(eager[i].length);
      expect(relativeError(graph[i], eager[i]), layer).toBeLessThanOrEqual(1e-6);
    }
  });

  test.each([
    'caffe',
    'tf',
    'torch',
    'unit',
    'none',
    'scale=1/127.5,mean=0.9:1.1:1,std=0.7',
    'scale=0.0039,mean=0.5',
  ] as const)(
    'the preprocessing %s is exact, bit for bit, and images of an odd length stay apart',
    async (preprocessing) => {
      // 3 × 3 × 3 bytes: one more than a multiple of four would need.
      const layers = [input('image', [3, 3]), flatten('flat', 'image')];
      const folder = await writeTinyModel(functional(layers, 'flat'), {}, [3, 3]);
      const metadata = { ...folder.metadata, preprocessing };
      const pixels = Uint8Array.from({ length: 29 * 27 }, (_, i) => (i * 85 + 1) % 256);
      const [values] = await runOnce({ ...folder, metadata }, 'graph', 'flat', pixels, 29);
      const expected = new Float32Array(pixels.length);
      createPreprocess(preprocessing)(pixels, expected);
      expect(values).toEqual(expected);
    },
  );

  test('auto takes the eager engine for a layer that the graph lacks, and says why', async () => {
    const folder = await writeTinyModel(functional(GATED_LAYERS, 'gate'), GATED_WEIGHTS);
    const engine = await open(folder, { device: 'cpu' });
    expect(engine.info).toMatchObject({
      engine: 'eager',
      engineReason: 'the layer gate is a ThresholdedReLU',
    });
    const before = await open(folder, { device: 'cpu', layers: 'conv' });
    expect(before.info).toMatchObject({ engine: 'graph' });
    expect(before.info.engineReason).toBeUndefined();
  });

  test('asked for by name, the graph is never replaced', async () => {
    const folder = await writeTinyModel(functional(GATED_LAYERS, 'gate'), GATED_WEIGHTS);
    const error = await rejection(EngineError, open(folder, { device: 'cpu', engine: 'graph' }));
    expect(error.message).toBe(
      'Expected a network for --engine graph but found that the layer gate is a ThresholdedReLU.',
    );
    const half = await rejection(EngineError, open(folder, { device: 'cpu', precision: 'fp16' }));
    expect(half.message).toBe(
      'Expected a network for --precision fp16 but found that the layer gate is a ThresholdedReLU.',
    );
    const wasm = await rejection(EngineError, open(folder, { device: 'wasm', engine: 'graph' }));
    expect(wasm.message).toBe(
      "Expected TensorFlow's library for --engine graph but found the device wasm.",
    );
  });

  test('half precision is not in the eager engine', async () => {
    const options = { device: 'cpu', engine: 'eager', precision: 'bf16' } as const;
    const error = await rejection(EngineError, open(await writeTinyModel(), options));
    expect(error.message).toBe(
      'Expected fp32 for --precision on --engine eager on cpu but found bf16: not in this engine.',
    );
  });

  test('a layer without height and width cannot be pooled', async () => {
    const options = { device: 'cpu', engine: 'graph', layers: 'flat:avg' } as const;
    const error = await rejection(OptionError, open(await writeTinyModel(), options));
    expect(error.message).toMatch(/^Expected --pool none for the layer flat but found avg/);
  });

  test.each([
    ['fp16', 'vgg16', 0.9995],
    ['fp16', 'resnet50', 0.9995],
    ['fp16', 'mobilenetv2', 0.9995],
    ['bf16', 'vgg16', 0.999],
    ['bf16', 'resnet50', 0.999],
    ['bf16', 'mobilenetv2', 0.999],
  ] as const)('%s keeps the features of %s to a cosine of %d', async (precision, name, cosine) => {
    const layers = LAYERS[name];
    const full = await fullPrecision(name);
    const folder = await narrowModel(name);
    const half = await runOnce(folder, 'graph', layers, somePixels(2, 224), 2, precision);
    for (const [i, layer] of layers.split(',').entries()) {
      expect(smallestCosine(half[i], full[i], 2), layer).toBeGreaterThanOrEqual(cosine);
      expect(half[i], `${layer} is not the float32 result`).not.toEqual(full[i]);
    }
  });

  test('fp16 holds what would overflow without the scale', async () => {
    // Each output is 255 × 3 × 100 = 76,500: more than the largest fp16 number, 65,504.
    const layers = [input('image', [2, 2]), conv2d('conv', 'image', { filters: 1, kernel: 1 })];
    const folder = await writeTinyModel(functional(layers, 'conv'), {
      'conv/kernel': [
        [1, 1, 3, 1],
        [100, 100, 100],
      ],
      'conv/bias': [[1], [64]],
    });
    const pixels = new Uint8Array(12).fill(255);
    const [values] = await runOnce(folder, 'graph', 'conv', pixels, 1, 'fp16');
    for (const value of values) expect(Math.abs(value - 76_564)).toBeLessThanOrEqual(32);
  });

  test('thousands of images leave no memory behind', async () => {
    const layers = [input('image', [64, 64]), flatten('flat', 'image')];
    const folder = await writeTinyModel(functional(layers, 'flat'), {}, [64, 64]);
    const engine = await open(folder, { device: 'cpu', engine: 'graph' });
    const pixels = somePixels(8, 64);
    const run = async (batches: number) => {
      for (let i = 0; i < batches; i++) await engine.run(pixels.slice(), 8);
      return { tensors: engine.numTensors(), bytes: await residentBytes(engine.pid!) };
    };
    const early = await run(60);
    const late = await run(500);
    expect(late.tensors).toBe(early.tensors);
    // A batch is 98 kB of pixels and 393 kB of features: a leak would be 49 or 196 MB. The allocator
    // itself moves by some megabytes.
    expect(late.bytes - early.bytes).toBeLessThan(25e6);
  });
});

/** Layers that the four networks do not have, or not in this form. */
const ODD_LAYERS: readonly LayerRow[] = [
  input('image', [9, 9]),
  zeroPadding2d('padded', 'image', [
    [0, 1],
    [2, 3],
  ]),
  conv2d('even', 'padded', {
    filters: 4,
    kernel: 2,
    stride: 2,
    padding: 'same',
    activation: 'relu',
  }),
  row('DepthwiseConv2D', 'wide', ['even'], {
    ...depthwiseConv2d('', '', { kernel: 3, stride: 1, padding: 'same' }).config,
    depth_multiplier: 2,
    use_bias: true,
  }),
  plainNorm('folded', 'wide'),
  row('ReLU', 'limited', ['folded'], { max_value: 0.5 }),
  row('Dropout', 'dropped', ['limited'], { rate: 0.5 }),
  row('AveragePooling2D', 'averaged', ['dropped'], {
    pool_size: [3, 3],
    strides: [2, 2],
    padding: 'same',
  }),
  maxPooling2d('peaks', 'averaged', 2),
  // Two layers read this convolution, so its normalisation stays a layer.
  conv2d('shared', 'averaged', { filters: 8, kernel: 1 }),
  batchNormalization('norm', 'shared', { momentum: 0.9, epsilon: 0.01 }),
  add('sum', ['shared', 'norm', 'averaged']),
  relu6('six', 'sum'),
  row('Concatenate', 'joined', ['six', 'averaged'], { axis: -1 }),
  row('GlobalAveragePooling2D', 'top', ['joined'], { keepdims: true }),
  row('GlobalMaxPooling2D', 'peak', ['joined'], {}),
  dense('units', 'peak', { units: 5, activation: 'relu' }),
  row('Activation', 'probabilities', ['units'], { activation: 'softmax' }),
];

const GATED_LAYERS = [
  ...TINY_LAYERS.slice(0, 2),
  row('ThresholdedReLU', 'gate', ['conv'], { theta: 0.5 }),
];
const GATED_WEIGHTS = {
  'conv/kernel': TINY_WEIGHTS['conv/kernel'],
  'conv/bias': TINY_WEIGHTS['conv/bias'],
};

function row(className: string, name: string, inbound: string[], config: object): LayerRow {
  return { className, name, inbound, config: { ...config, name } };
}

/** A normalisation with neither gamma nor beta. */
function plainNorm(name: string, from: string): LayerRow {
  const norm = batchNormalization(name, from, { momentum: 0.9, epsilon: 0.001 });
  return { ...norm, config: { ...norm.config, scale: false, center: false } };
}

const modelsDir = mkdtempSync(join(tmpdir(), 'narrow-models-'));
afterAll(() => rmSync(modelsDir, { recursive: true }));
const models = new Map<string, Promise<ModelFolder>>();

/** Made once, used by several tests. */
function narrowModel(architecture: string): Promise<ModelFolder> {
  const dir = join(modelsDir, architecture);
  const model =
    models.get(architecture) ??
    initModel({ architecture, seed: 1, width: 0.125, classes: 10, dir });
  models.set(architecture, model);
  return model;
}

const computed = new Map<string, Promise<Float32Array[]>>();

/** What the graph gives for a network in float32: computed once, compared in several tests. */
function fullPrecision(name: keyof typeof LAYERS): Promise<Float32Array[]> {
  const outputs =
    computed.get(name) ??
    narrowModel(name).then((folder) =>
      runOnce(folder, 'graph', LAYERS[name], somePixels(2, 224), 2),
    );
  computed.set(name, outputs);
  return outputs;
}

async function runOnce(
  folder: ModelFolder,
  kind: EngineKind,
  layers: string,
  pixels: Uint8Array,
  n: number,
  precision: 'fp32' | 'fp16' | 'bf16' = 'fp32',
): Promise<Float32Array[]> {
  const engine = await open(folder, { device: 'cpu', engine: kind, layers, precision });
  expect(engine.info.engine).toBe(kind);
  const outputs = await engine.run(pixels.slice(), n);
  await engine.close();
  return outputs;
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}
