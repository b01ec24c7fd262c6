import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import type { EngineKind } from '../../../src/engine/engine.ts';
import { LAYER_NODES } from '../../../src/engine/graph/layer-nodes.ts';
import {
  conv2d,
  dense,
  flatten,
  input,
  type LayerRow,
} from '../../../src/model/architectures/keras-layers.ts';
import { inferLayerShapes, type LayerShape } from '../../../src/model/layer-shapes.ts';
import type { ModelFolder } from '../../../src/model/model-folder.ts';
import { traceLayerShapes } from '../../../src/model/trace-layer-shapes.ts';
import {
  agreement,
  FIXTURES,
  fixtureBytes,
  floats,
  workFolder,
} from '../../convert/keras-fixtures.ts';
import { NO_TENSORFLOW, skipIf } from '../../skip-if.ts';
import { found, open } from '../open-engines.ts';
import { functional, randomWeights, writeTinyModel } from '../tiny-model.ts';
import { relativeError, smallestCosine, somePixels } from './compare.ts';

/** What the layers below read: [8, 8, 6] of both signs, the same again, [1, 1, 6] and [6]. */
const SOURCES: readonly LayerRow[] = [
  input('image', [8, 8]),
  row('Rescaling', 'centred', ['image'], {
    scale: [1 / 128, 1 / 100, 1 / 127],
    offset: [-1, -1.2, -0.9],
  }),
  conv2d('x', 'centred', { filters: 6, kernel: 3, padding: 'same' }),
  conv2d('y', 'centred', { filters: 6, kernel: 1 }),
  row('GlobalAveragePooling2D', 'mean', ['x'], {}),
  row('Reshape', 'gate', ['mean'], { target_shape: [1, 1, -1] }),
  dense('v', 'mean', { units: 6, activation: 'relu' }),
];

/** A class, what differs from Keras' defaults, and what it reads: `x` unless it says so. */
type Case = readonly [className: string, config?: object, inputs?: readonly string[]];

const KERNEL = { kernel_size: [3, 3] };
const ACTIVATIONS = [
  'linear',
  'relu',
  'relu6',
  'leaky_relu',
  'softmax',
  'log_softmax',
  'sigmoid',
  'tanh',
  'elu',
  'selu',
  'softplus',
  'softsign',
  'exponential',
  'swish',
  'mish',
  'gelu',
  'gelu_new',
  'hard_sigmoid',
  'hard_sigmoid_keras3',
  'hard_silu',
];

const CASES: readonly Case[] = [
  ...['Dropout', 'SpatialDropout2D', 'GaussianNoise', 'GaussianDropout'].map((name) => {
    return [name, { rate: 0.5, stddev: 1 }] as const;
  }),
  ['Conv2D', { ...KERNEL, filters: 4, strides: [2, 2], padding: 'same', activation: 'swish' }],
  ['Conv2D', { ...KERNEL, filters: 4, dilation_rate: [2, 2], activation: 'sigmoid' }],
  ['Conv2D', { ...KERNEL, filters: 4, groups: 2, padding: 'same', activation: 'relu' }],
  ['Conv2D', { ...KERNEL, filters: 12, groups: 6, strides: [2, 2] }],
  ['Conv2DTranspose', { ...KERNEL, filters: 4, strides: [2, 2], padding: 'same' }],
  ['Conv2DTranspose', { ...KERNEL, filters: 4, strides: [2, 2], activation: 'elu' }],
  ['DepthwiseConv2D', { ...KERNEL, depth_multiplier: 2, strides: [2, 2], padding: 'same' }],
  [
    'DepthwiseConv2D',
    { ...KERNEL, depth_multiplier: 2, dilation_rate: [2, 2], activation: 'tanh' },
  ],
  ['SeparableConv2D', { ...KERNEL, filters: 4, depth_multiplier: 2, activation: 'swish' }],
  ['SeparableConv2D', { ...KERNEL, filters: 4, dilation_rate: [2, 2], use_bias: false }],
  ['Dense', { units: 5, activation: 'gelu' }],
  ['Dense', { units: 5, activation: 'relu' }, ['v']],
  ['Dense', { units: 5 }, ['Reshape_1']],
  ['BatchNormalization', { axis: [3], epsilon: 0.01 }],
  ['BatchNormalization', { axis: -1, scale: false }, ['v']],
  ['LayerNormalization', { epsilon: 1e-6 }],
  ['LayerNormalization', { axis: [1, 2, 3], center: false }],
  ['LayerNormalization', { scale: false }, ['v']],
  ['LayerScale', { init_values: 1e-6, projection_dim: 6 }],
  ['Rescaling', { scale: 0.5, offset: -1 }],
  ...ACTIVATIONS.map((activation) => ['Activation', { activation }] as const),
  ['ReLU', { max_value: 0.5 }],
  ['ReLU', {}],
  ['LeakyReLU', { alpha: 0.1 }],
  ['PReLU', { shared_axes: [1, 2] }],
  ['PReLU', {}],
  ['ELU', {}],
  ['Softmax', { axis: -1 }],
  ['Softmax', { axis: 1 }, ['v']],
  [
    'ZeroPadding2D',
    {
      padding: [
        [1, 0],
        [2, 3],
      ],
    },
  ],
  [
    'Cropping2D',
    {
      cropping: [
        [1, 0],
        [2, 3],
      ],
    },
  ],
  ['CenterCrop', { height: 5, width: 4 }],
  ['UpSampling2D', { size: [2, 3] }],
  ['UpSampling2D', { size: [2, 3], interpolation: 'bilinear' }],
  ['Resizing', { height: 5, width: 11, interpolation: 'bilinear' }],
  ['Resizing', { height: 5, width: 11, interpolation: 'nearest' }],
  ['MaxPooling2D', { pool_size: [3, 3], strides: [2, 2], padding: 'same' }],
  ['AveragePooling2D', { pool_size: [3, 3], strides: [1, 1], padding: 'same' }],
  ['GlobalAveragePooling2D', {}],
  ['GlobalMaxPooling2D', {}],
  ['Add', {}, ['x', 'y', 'x']],
  ['Average', {}, ['x', 'y', 'x']],
  ['Maximum', {}, ['x', 'y']],
  ['Minimum', {}, ['x', 'y']],
  ['Multiply', {}, ['x', 'y']],
  ['Multiply', {}, ['x', 'gate']],
  ['Multiply', {}, ['v', 'x']],
  ['Concatenate', { axis: -1 }, ['x', 'y']],
  ['Concatenate', { axis: 1 }, ['x', 'y']],
  ['Flatten', {}],
  ['Reshape', { target_shape: [-1, 12] }],
  ['Reshape', { target_shape: [32, 12] }],
  ['Permute', { dims: [3, 1, 2] }],
];

const LAYERS: readonly LayerRow[] = CASES.map(([className, config, inputs = ['x']], i) => {
  const before = CASES.slice(0, i).filter(([name]) => name === className).length;
  return row(className, `${className}_${before}`, inputs, config ?? {});
});
// Reshape_1, which a Dense reads, comes after it: the order of the list is not that of the calls.
const ROWS = [...SOURCES, ...LAYERS];
const NAMES = [...SOURCES.slice(1), ...LAYERS].map(({ name }) => name);
const TOPOLOGY = JSON.parse(JSON.stringify(functional(ROWS, 'v')));

test('every rule is in this list', () => {
  const tried = new Set(ROWS.map(({ className }) => className));
  expect([...LAYER_NODES.keys()].filter((name) => !tried.has(name))).toEqual([]);
});

test("the shapes of all layers are those of tfjs' layers", async () => {
  const topology = structuredClone(TOPOLOGY);
  topology.model_config.config.output_layers = NAMES.map((name) => [name, 0, 0]);
  const sorted = (shapes: readonly LayerShape[]) =>
    Object.fromEntries(shapes.map((one) => [one.name, one]));
  expect(sorted(inferLayerShapes(topology)!)).toEqual(sorted(await traceLayerShapes(topology)));
});

describe('each layer in the graph', skipIf(found.cpu === undefined, NO_TENSORFLOW), () => {
  test('gives what the eager engine gives', async () => {
    const folder = await writeTinyModel(TOPOLOGY, randomWeights(ROWS), [8, 8]);
    const eager = await runAll(folder, 'eager', 'fp32');
    const graph = await runAll(folder, 'graph', 'fp32');
    const fp16 = await runAll(folder, 'graph', 'fp16');
    const bf16 = await runAll(folder, 'graph', 'bf16');
    for (const [i, name] of NAMES.entries()) {
      const what = `${name} ${JSON.stringify(ROWS[i + 1].config)}`;
      expect(graph[i], what).toHaveLength(eager[i].length);
      expect(relativeError(graph[i], eager[i]), what).toBeLessThanOrEqual(1e-6);
      expect(smallestCosine(fp16[i], eager[i], 2), `fp16 ${what}`).toBeGreaterThanOrEqual(0.9995);
      expect(smallestCosine(bf16[i], eager[i], 2), `bf16 ${what}`).toBeGreaterThanOrEqual(0.999);
    }
  });

  test('a shared layer is calculated at each of its calls', async () => {
    const rows = [
      ...SOURCES.slice(0, 4),
      conv2d('shared', 'x', { filters: 6, kernel: 3, padding: 'same', activation: 'relu' }),
      row('BatchNormalization', 'norm', ['shared'], {}),
      row('Add', 'sum', ['norm', 'x'], {}),
      flatten('flat', 'sum'),
    ];
    const topology = functional(rows, 'flat') as {
      model_config: { config: { layers: { inbound_nodes: unknown[] }[] } };
    };
    const { layers } = topology.model_config.config;
    // shared(y), then shared(shared(y)), and norm of both of these.
    layers[4].inbound_nodes.push([['y', 0, 0, {}]], [['shared', 1, 0, {}]]);
    layers[5].inbound_nodes = [[['shared', 2, 0, {}]], [['shared', 0, 0, {}]]];
    layers[6].inbound_nodes = [
      [
        ['norm', 0, 0, {}],
        ['norm', 1, 0, {}],
      ],
    ];
    const folder = await writeTinyModel(topology, randomWeights(rows), [8, 8]);
    const [eager] = await runAll(folder, 'eager', 'fp32', 'flat');
    const [graph] = await runAll(folder, 'graph', 'fp32', 'flat');
    expect(relativeError(graph, eager)).toBeLessThanOrEqual(1e-6);
  });
});

describe("Keras' own numbers", skipIf(found.cpu === undefined, NO_TENSORFLOW), () => {
  const graph = { device: 'cpu', engine: 'graph' } as const;
  test.each([
    ['gates.keras2-model.h5', undefined, graph],
    ['gates.keras3.keras', undefined, graph],
    ['gates.keras3.keras', undefined, { device: 'wasm' }],
    ['branches.keras2-model.h5', 'features', graph],
    ['twins.keras3.keras', undefined, graph],
    ['normalised.keras2-model.h5', undefined, graph],
  ] as const)('%s, %s on %o', async (file, layers, engine) => {
    const [name, generation] = file.split(/[.-]/);
    const fixture = FIXTURES[name];
    const work = await workFolder();
    onTestFinished(() => work.remove());
    const folder = await convertModel({
      file: await work.put(file, await fixtureBytes(file)),
      dir: join(work.dir, 'model'),
      preprocessing: 'none',
    });
    const running = await open(folder, { ...engine, layers });
    const images = new Uint8Array(inflateSync(Buffer.from(fixture.images, 'base64')));
    const [values] = await running.run(images, 2);
    const { error } = agreement(values, floats(fixture.outputs[generation].output_0.values));
    expect(error).toBeLessThanOrEqual(1e-5);
  });
});

function row(
  className: string,
  name: string,
  inbound: readonly string[],
  config: object,
): LayerRow {
  return { className, name, inbound, config: { ...config, name } };
}

async function runAll(
  folder: ModelFolder,
  kind: EngineKind,
  precision: 'fp32' | 'fp16' | 'bf16',
  layers = NAMES.join(','),
): Promise<Float32Array[]> {
  const engine = await open(folder, { device: 'cpu', engine: kind, layers, precision });
  const outputs = await engine.run(somePixels(2, 8), 2);
  await engine.close();
  return outputs;
}
