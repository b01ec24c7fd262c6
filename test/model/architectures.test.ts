import { describe, expect, test } from 'vitest';
import { buildArchitecture } from '../../src/model/architectures/build-architecture.ts';
import { inferVariant } from '../../src/model/architectures/infer-variant.ts';
import { listLayers, modelConfigOf } from '../../src/model/topology-layers.ts';
import { readKerasTwin, twinWeightShapes } from './keras-twin.ts';

describe.each([
  ['vgg16', 'vgg16', {}],
  ['vgg16-notop', 'vgg16', { includeTop: false }],
  ['vgg19', 'vgg19', {}],
  ['resnet50', 'resnet50', {}],
  ['resnet50-197px-7-classes', 'resnet50', { inputSize: [197, 197], classes: 7 }],
  ['mobilenetv2', 'mobilenetv2', {}],
  [
    'mobilenetv2-alpha-0.35-161px-notop',
    'mobilenetv2',
    {
      widths: [16, 8, 8, 16, 24, 32, 56, 112, 1280],
      inputSize: [161, 161],
      includeTop: false,
    },
  ],
] as const)('%s', (file, name, options) => {
  const twin = readKerasTwin(file);
  const built = buildArchitecture(name, options);

  test('has the layers, connections and configurations of Keras in the same order', () => {
    // Keras names inputs by a counter of the process; the topology here always says input_1.
    const found = listLayers(built.topology).map(({ name, className, config, inbound }) => ({
      name,
      className,
      config,
      inbound,
    }));
    expect(found).toEqual(
      twin.layers.map(({ name, className, config, inbound }) => ({
        name,
        className,
        config,
        inbound,
      })),
    );
  });

  test('has the output shapes of Keras', () => {
    expect(built.layers.map((layer) => [layer.name, layer.outputShape])).toEqual(
      twin.layers.map((layer) => [layer.name, layer.outputShape]),
    );
  });

  test('has the weights of Keras in the same order', () => {
    expect(built.weights.map((weight) => [weight.name, weight.shape])).toEqual([
      ...twinWeightShapes(twin),
    ]);
    const params = built.weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
    expect(params).toBe(twin.params);
  });

  test('is recognised from the weight shapes alone', () => {
    const variant = inferVariant(name, twinWeightShapes(twin));
    const again = buildArchitecture(name, { ...variant, inputSize: built.inputSize });
    expect(again.topology).toEqual(built.topology);
  });
});

test.each([
  ['vgg16', 'vgg16'],
  ['vgg19', 'vgg19'],
  ['resnet50', 'resnet50'],
  ['mobilenetv2', 'mobilenetv2_1.00_224'],
])('the standard %s is called %s, as in Keras', (name, expected) => {
  expect(modelConfigOf(buildArchitecture(name).topology).config.name).toBe(expected);
  expect(readKerasTwin(name).modelName).toBe(expected);
});

test('a narrow network does not claim the name of the standard one', () => {
  const { topology } = buildArchitecture('mobilenetv2', { width: 0.5 });
  expect(modelConfigOf(topology).config.name).toBe('mobilenetv2');
});

test('width 0.125 makes VGG16 an eighth as wide, fully connected layers included', () => {
  const { variant } = buildArchitecture('vgg16', { width: 0.125 });
  expect(variant.widths).toEqual([8, 16, 32, 64, 64]);
  expect(variant.fcUnits).toEqual([512, 512]);
});

test('width 0.35 gives MobileNetV2 the channels of Keras’ alpha 0.35, Conv_1 apart', () => {
  const { variant } = buildArchitecture('mobilenetv2', { width: 0.35 });
  expect(variant.widths.slice(0, -1)).toEqual([16, 8, 8, 16, 24, 32, 56, 112]);
});

test('the input size of a VGG follows from the rows of fc1', () => {
  const { weights } = buildArchitecture('vgg19', { inputSize: [96, 96], width: 0.125, classes: 7 });
  const variant = inferVariant('vgg19', new Map(weights.map(({ name, shape }) => [name, shape])));
  expect(variant).toEqual({
    widths: [8, 16, 32, 64, 64],
    fcUnits: [512, 512],
    classes: 7,
    includeTop: true,
    inputSize: [96, 96],
  });
});

describe('weights that do not fit their architecture', () => {
  const shapes = () => {
    const { weights } = buildArchitecture('vgg16', { width: 0.125 });
    return new Map<string, readonly number[]>(weights.map(({ name, shape }) => [name, shape]));
  };

  test('another shape names the weight and both shapes', () => {
    const damaged = shapes().set('block3_conv2/kernel', [3, 3, 32, 31]);
    expect(() => inferVariant('vgg16', damaged)).toThrow(
      'Expected shape [3, 3, 32, 32] for block3_conv2/kernel in the weights of a vgg16 but found [3, 3, 32, 31].',
    );
  });

  test('a missing weight is named', () => {
    const damaged = shapes();
    damaged.delete('block4_conv3/bias');
    expect(() => inferVariant('vgg16', damaged)).toThrow(
      'Expected a weight block4_conv3/bias of shape [64] in the weights of a vgg16 but found none.',
    );
  });

  test('a weight left over is named', () => {
    const damaged = shapes().set('extra/kernel', [1]);
    expect(() => inferVariant('vgg16', damaged)).toThrow('among them extra/kernel');
  });

  test('another network says which layer is not there', () => {
    expect(() => inferVariant('resnet50', shapes())).toThrow(
      'Expected a weight conv1_conv/kernel in the weights of a resnet50 but found 32 weights without it.',
    );
  });

  test('rows of fc1 that are no square picture are refused', () => {
    const damaged = shapes().set('fc1/kernel', [3000, 512]);
    expect(() => inferVariant('vgg16', damaged)).toThrow('n·n·64 rows for fc1/kernel');
  });
});

describe('options', () => {
  test.each([
    [
      'vgg11',
      {},
      'Expected one of vgg16, vgg19, resnet50, mobilenetv2, efficientnet-lite0 for the architecture',
    ],
    ['vgg16', { width: 0 }, 'Expected a number above 0 and at most 16 for width but found 0.'],
    ['vgg16', { width: Number.NaN }, 'for width but found NaN'],
    ['vgg16', { classes: 0 }, 'Expected whole numbers above 0 for the widths, units and classes'],
    ['vgg16', { widths: [1, 2] }, 'Expected 5 numbers for widths of vgg16 but found 2.'],
    ['vgg16', { inputSize: [31, 224] }, 'Expected an input of at least 32×32 pixels for vgg16'],
  ] as const)('%s with %o fails: %s', (name, options, message) => {
    expect(() => buildArchitecture(name, options)).toThrow(message);
  });
});
