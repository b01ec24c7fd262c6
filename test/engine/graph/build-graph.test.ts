import { expect, test } from 'vitest';
import { buildGraph } from '../../../src/engine/graph/build-graph.ts';
import { conv2d, input, type LayerRow } from '../../../src/model/architectures/keras-layers.ts';
import { functional } from '../tiny-model.ts';
import { METADATA, networkGraph } from './network-graph.ts';

const CPU = { precision: 'fp32', device: 'cpu', conv: 'direct' } as const;

function build(name: string, layer: string, options?: Parameters<typeof buildGraph>[2]) {
  return networkGraph(name, [layer], options);
}

test('VGG16 up to block5_pool is 13 fused convolutions and none of the dense layers', () => {
  const { nodes, variables } = build('vgg16', 'block5_pool');
  const count = (op: string) => nodes.filter((node) => node.op === op).length;
  expect([count('Conv2D'), count('BiasAdd'), count('Relu'), count('MaxPool')]).toEqual([
    13, 13, 13, 5,
  ]);
  expect(count('MatMul')).toBe(0);
  // Kernel and bias of each, and the mean that is taken off the pixels.
  expect(variables).toHaveLength(27);
  for (const { name, op, inputs } of nodes) {
    if (op === 'BiasAdd') expect(inputs[0], name).toBe(name.replace('/biased', '/conv'));
    if (op === 'Relu') expect(inputs[0], name).toBe(name.replace('/relu', '/biased'));
  }
});

test('every normalisation of ResNet50 and MobileNetV2 goes into its convolution', () => {
  for (const [name, layer] of [
    ['resnet50', 'conv5_block3_out'],
    ['mobilenetv2', 'out_relu'],
  ]) {
    expect(build(name, layer).nodes.some(({ op }) => op === 'FusedBatchNormV3')).toBe(false);
  }
});

test('on a GPU a float32 bias is added apart, a half one is not', () => {
  const ops = (precision: 'fp32' | 'fp16') => {
    const { nodes } = build('vgg16', 'block1_pool', { precision, device: 'cuda', conv: 'direct' });
    return nodes.map(({ op }) => op).filter((op) => op === 'BiasAdd' || op === 'AddV2');
  };
  expect(ops('fp32')).toEqual(['AddV2', 'AddV2']);
  expect(ops('fp16')).toEqual(['BiasAdd', 'BiasAdd']);
});

test.each<[string, LayerRow[], string]>([
  [
    'a shared layer',
    [input('image', [2, 2]), conv2d('conv', 'image', { filters: 3, kernel: 1 })],
    'the layer conv is shared',
  ],
  [
    'an input of two channels',
    [
      { ...input('image', [2, 2]), config: { name: 'image', batch_input_shape: [null, 2, 2, 2] } },
      conv2d('conv', 'image', { filters: 3, kernel: 1 }),
    ],
    'its input image is [2, 2, 2]',
  ],
  [
    'weights that are not there',
    [input('image', [2, 2]), conv2d('conv', 'image', { filters: 5, kernel: 1 })],
    'the weight conv/kernel of shape [1, 1, 3, 5] is not there',
  ],
  [
    'a size that Keras would reach by resizing',
    [
      input('image', [2, 2]),
      {
        className: 'CenterCrop',
        name: 'crop',
        inbound: ['image'],
        config: { height: 4, width: 4 },
      },
      conv2d('conv', 'crop', { filters: 3, kernel: 1 }),
    ],
    'the shape of the layer crop, a CenterCrop, is not known here',
  ],
  [
    'a layer without a rule',
    [
      input('image', [2, 2]),
      { className: 'Rainbow', name: 'arc', inbound: ['image'], config: {} },
      conv2d('conv', 'arc', { filters: 3, kernel: 1 }),
    ],
    'the layer arc is a Rainbow',
  ],
])('%s is no graph', (title, layers, reason) => {
  const topology = functional(layers, 'conv') as {
    model_config: { config: { layers: { inbound_nodes: unknown[] }[] } };
  };
  if (title === 'a shared layer') {
    topology.model_config.config.layers[1].inbound_nodes.push([['conv', 0, 0, {}]]);
  }
  const channels = title === 'an input of two channels' ? 2 : 3;
  const weights = [
    { name: 'conv/kernel', shape: [1, 1, channels, 3], dtype: 'float32' as const },
    { name: 'conv/bias', shape: [3], dtype: 'float32' as const },
  ];
  const metadata = { ...METADATA, inputSize: [2, 2] as const };
  const requests = [{ layer: 'conv', pool: 'none' as const }];
  expect(() => buildGraph({ topology, weights, metadata }, requests, CPU)).toThrow(reason);
});
