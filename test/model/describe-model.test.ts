import { describe, expect, test } from 'vitest';
import { closestNames } from '../../src/closest-names.ts';
import { ModelError } from '../../src/errors.ts';
import { buildArchitecture } from '../../src/model/architectures/build-architecture.ts';
import { describeModel } from '../../src/model/describe-model.ts';
import { inferLayerShapes } from '../../src/model/layer-shapes.ts';
import { traceLayerShapes } from '../../src/model/trace-layer-shapes.ts';

const sequential = (...layers: [className: string, config: Record<string, unknown>][]) => ({
  class_name: 'Sequential',
  config: {
    name: 'tiny',
    layers: layers.map(([class_name, config]) => ({ class_name, config })),
  },
});
const input = { batch_input_shape: [null, 12, 9, 3] };

describe('describeModel', () => {
  test('gives name, class, shape, weights and length of every layer of VGG16', async () => {
    const { layers, params, defaultLayer } = await describeModel(buildArchitecture('vgg16'));
    expect(layers.length).toBe(23);
    expect(layers.find(({ name }) => name === 'block5_pool')).toEqual({
      name: 'block5_pool',
      className: 'MaxPooling2D',
      outputShape: [7, 7, 512],
      params: 0,
      length: 25_088,
    });
    expect(layers.find(({ name }) => name === 'fc1')?.params).toBe(102_764_544);
    expect(params).toBe(138_357_544);
    expect(defaultLayer).toBe('predictions');
  });

  test.each([
    ['vgg16', {}, ['fc2 4096', 'fc1 4096', 'block5_pool:avg 512', 'block4_pool:avg 512']],
    ['vgg19', { includeTop: false }, ['block5_pool:avg 512', 'block4_pool:avg 512']],
    ['resnet50', {}, ['avg_pool 2048', 'conv4_block6_out:avg 1024']],
    ['resnet50', { includeTop: false }, ['conv5_block3_out:avg 2048', 'conv4_block6_out:avg 1024']],
    ['mobilenetv2', {}, ['global_average_pooling2d 1280', 'block_13_expand_relu:avg 576']],
  ])('suggests features of %s %o', async (name, options, expected) => {
    const { features } = await describeModel(buildArchitecture(name, options));
    expect(features.map(({ request, length }) => `${request} ${length}`)).toEqual(expected);
  });

  test('leaves the length of an open input open', async () => {
    const topology = sequential([
      'Conv2D',
      { name: 'c', batch_input_shape: [null, null, null, 3], filters: 2, kernel_size: [3, 3] },
    ]);
    const { layers, features } = await describeModel({ topology, weights: [] });
    expect(layers).toEqual([
      { name: 'c', className: 'Conv2D', outputShape: [null, null, 2], params: 56, length: null },
    ]);
    expect(features).toEqual([{ request: 'c:avg', length: 2, why: 'average over ?×? places' }]);
  });

  test('asks tfjs about layers without a rule here', async () => {
    const topology = sequential(
      ['ThresholdedReLU', { name: 'gate', ...input, theta: 1 }],
      ['Conv2D', { name: 'c', filters: 4, kernel_size: [1, 1] }],
    );
    expect(inferLayerShapes(topology)).toBeUndefined();
    const { layers } = await describeModel({ topology, weights: [] });
    expect(layers.map(({ name, outputShape, params }) => [name, outputShape, params])).toEqual([
      ['gate', [12, 9, 3], 0],
      ['c', [12, 9, 4], 16],
    ]);
  });

  test.each<[string, Record<string, unknown>]>([
    ['Conv2D', { filters: 4 }],
    ['Conv2D', { filters: 4, kernel_size: 'big' }],
    ['Conv2D', { filters: 4, kernel_size: [13, 13], padding: 'valid' }],
    ['Dense', { units: -1 }],
    ['ZeroPadding2D', { padding: [[1], null] }],
    ['constructor', {}],
  ])('ends in one error for a damaged %s %j', async (className, config) => {
    const topology = sequential([className, { name: 'layer', ...input, ...config }]);
    await expect(describeModel({ topology, weights: [] })).rejects.toBeInstanceOf(ModelError);
  });

  test('names a layer that tfjs does not know either', async () => {
    const topology = sequential(['Rainbow', { name: 'r', ...input }]);
    await expect(describeModel({ topology, weights: [] })).rejects.toThrow(
      'Expected a network of layers that tfjs can build but found: Unknown layer: Rainbow.',
    );
  });
});

describe('shapes by arithmetic are those of tfjs-layers for', () => {
  test.each(['vgg16', 'vgg19', 'resnet50', 'mobilenetv2'])('%s', async (name) => {
    const { topology } = buildArchitecture(name);
    expect(inferLayerShapes(topology)).toEqual(await traceLayerShapes(topology));
  });

  test.each<[string, Record<string, unknown>]>([
    ['Conv2D', { filters: 5, kernel_size: [3, 2], strides: [2, 2], padding: 'same' }],
    ['Conv2D', { filters: 5, kernel_size: [3, 2], strides: [2, 3], padding: 'valid' }],
    ['Conv2D', { filters: 5, kernel_size: [3, 3], dilation_rate: [2, 2], use_bias: false }],
    ['Conv2D', { filters: 5, kernel_size: 3, strides: 2 }],
    ['DepthwiseConv2D', { kernel_size: [3, 3], depth_multiplier: 2, strides: [2, 2] }],
    ['SeparableConv2D', { filters: 4, kernel_size: [3, 3], padding: 'same' }],
    ['MaxPooling2D', { pool_size: [3, 2] }],
    ['MaxPooling2D', { pool_size: [3, 3], strides: [2, 2], padding: 'same' }],
    ['AveragePooling2D', {}],
    ['ZeroPadding2D', { padding: 2 }],
    ['ZeroPadding2D', { padding: [1, 2] }],
    [
      'ZeroPadding2D',
      {
        padding: [
          [0, 1],
          [2, 3],
        ],
      },
    ],
    ['BatchNormalization', { axis: -1 }],
    ['BatchNormalization', { axis: [3], scale: false }],
    ['BatchNormalization', { axis: 3, center: false }],
    ['Flatten', {}],
    ['Dense', { units: 6 }],
    ['Dense', { units: 6, use_bias: false }],
    ['GlobalAveragePooling2D', {}],
    ['GlobalMaxPooling2D', {}],
    ['LeakyReLU', { alpha: 0.1 }],
    ['Dropout', { rate: 0.5 }],
  ])('%s %j', async (className, config) => {
    const topology = sequential([className, { name: 'layer', ...input, ...config }]);
    const shapes = inferLayerShapes(topology);
    expect(shapes).toBeDefined();
    expect(shapes).toEqual(await traceLayerShapes(topology));
  });

  test('a model that joins branches', async () => {
    const layer = (
      class_name: string,
      name: string,
      inbound: string[],
      config: Record<string, unknown> = {},
    ) => ({
      class_name,
      name,
      config: { name, ...config },
      inbound_nodes: inbound.length === 0 ? [] : [inbound.map((from) => [from, 0, 0, {}])],
    });
    const topology = {
      class_name: 'Functional',
      config: {
        name: 'joined',
        layers: [
          layer('InputLayer', 'in', [], input),
          layer('Conv2D', 'a', ['in'], { filters: 3, kernel_size: [1, 1] }),
          layer('Add', 'sum', ['in', 'a']),
          layer('Concatenate', 'both', ['sum', 'a'], { axis: -1 }),
        ],
        input_layers: [['in', 0, 0]],
        output_layers: [['both', 0, 0]],
      },
    };
    const shapes = inferLayerShapes(topology)!;
    expect(shapes.at(-1)?.outputShape).toEqual([12, 9, 6]);
    expect(shapes).toEqual(await traceLayerShapes(topology));
  });
});

describe('closestNames', () => {
  const names = ['block4_pool', 'block5_conv1', 'block5_pool', 'fc1', 'fc2', 'predictions'];
  test.each([
    ['fc', ['fc1', 'fc2']],
    ['FC1', ['fc1', 'fc2']],
    ['fc3', ['fc1', 'fc2']],
    ['block5-pool', ['block5_pool', 'block4_pool']],
    ['block5', ['block5_pool', 'block5_conv1']],
    ['prediction', ['predictions']],
    ['xyzzy', []],
    ['', []],
  ])('%j → %j', (wanted, expected) => {
    expect(closestNames(wanted, names)).toEqual(expected);
  });

  test('gives no more than the limit', () => {
    expect(closestNames('block', names, 2).length).toBe(2);
  });
});
