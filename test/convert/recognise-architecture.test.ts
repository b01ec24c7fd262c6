import { expect, test } from 'vitest';
import { parseKerasObject } from '../../src/convert/keras-json.ts';
import { recogniseFamily } from '../../src/convert/recognise-architecture.ts';
import { parseGraph } from '../../src/convert/topology/parse-graph.ts';

interface Row {
  readonly class_name: string;
  readonly name: string;
  readonly config: object;
  readonly inbound_nodes: unknown;
}

function row(class_name: string, name: string, from: string[], config: object = {}): Row {
  const inbound_nodes = [from.map((one) => [one, 0, 0, {}])];
  return { class_name, name, config: { name, trainable: true, ...config }, inbound_nodes };
}

function model(...layers: Row[]) {
  const input = row('InputLayer', 'image', [], { batch_input_shape: [null, 8, 8, 3] });
  return {
    class_name: 'Functional',
    config: {
      name: 'anything',
      layers: [{ ...input, inbound_nodes: [] }, ...layers],
      input_layers: [['image', 0, 0]],
      output_layers: [[layers.at(-1)!.name, 0, 0]],
    },
  };
}

function recognise(...layers: Row[]) {
  const found = recogniseFamily(parseGraph(parseKerasObject(model(...layers), 'the model')));
  return found && [found.name, found.preprocessing];
}

/** The first layer, and one further in, of a network of keras.applications. */
function network(first: string, marker: string): Row[] {
  return [row('Conv2D', first, ['image']), row('BatchNormalization', marker, [first])];
}

test.each([
  ['block1_conv1', 'block1_pool', 'VGG', 'caffe'],
  ['block1_conv1', 'block1_conv1_bn', 'Xception', 'tf'],
  ['conv1_pad', 'conv1_conv', 'ResNet', 'caffe'],
  ['conv1', 'bn_conv1', 'ResNet', 'caffe'],
  ['conv1_pad', 'conv2_block1_preact_bn', 'ResNetV2', 'tf'],
  ['zero_padding2d', 'stem_1_stem_conv_1', 'ResNetRS', 'torch'],
  ['zero_padding2d_4', 'conv2_block1_concat', 'DenseNet', 'torch'],
  ['conv2d_94', 'mixed0', 'InceptionV3', 'tf'],
  ['conv2d', 'mixed_5b', 'InceptionResNetV2', 'tf'],
  ['conv1', 'conv_dw_1', 'MobileNet', 'tf'],
  ['Conv1', 'expanded_conv_depthwise', 'MobileNetV2', 'tf'],
  ['Conv', 'expanded_conv/depthwise', 'MobileNetV3', 'tf'],
  ['conv', 'expanded_conv_depthwise', 'MobileNetV3', 'tf'],
  ['stem_conv1', 'stem_bn1', 'NASNet', 'tf'],
  ['convnext_tiny_stem', 'convnext_tiny_stage_0_block_0_layer_scale', 'ConvNeXt', 'torch'],
  ['regnetx002_stem_conv', 'regnetx002_Stage_0_XBlock_0_conv_1x1_1', 'RegNet', 'unit'],
])('%s and %s are those of %s: %s', (first, marker, name, preprocessing) => {
  const layers = network(first, marker);
  expect(recognise(...layers)).toEqual([name, preprocessing]);
  const head = row('Dense', 'own_head', [marker]);
  expect(recognise(...layers, head)).toEqual([name, preprocessing]);
});

test('a network inside a model is found behind augmentation, under any name', () => {
  const nested = (name: string, from: string, inner: object) => ({
    ...row('Functional', name, [from]),
    ...inner,
    name,
  });
  const augment = nested('augment', 'image', model(row('RandomFlip', 'flip', ['image'])));
  const base = nested('my_base', 'augment', model(...network('Conv1', 'expanded_conv_depthwise')));
  expect(recognise(augment, base, row('Dense', 'head', ['my_base']))).toEqual([
    'MobileNetV2',
    'tf',
  ]);
});

test('behind a scaling the preprocessing is none; what changes or divides the pixels leaves it open', () => {
  const [first, second] = network('Conv1', 'expanded_conv_depthwise');
  const behind = (before: Row) => recognise(before, row('Conv2D', 'Conv1', [before.name]), second);
  expect(behind(row('Dropout', 'drop', ['image']))).toEqual(['MobileNetV2', 'tf']);
  expect(behind(row('TFOpLambda', 'cast', ['image'], { function: 'cast' }))).toEqual([
    'MobileNetV2',
    'tf',
  ]);
  expect(behind(row('Rescaling', 'scaled', ['image']))).toEqual(['MobileNetV2', 'none']);
  expect(behind(row('ReLU', 'changed', ['image']))).toBeUndefined();
  expect(recognise(first, second, row('Conv2D', 'other', ['image']))).toBeUndefined();
});
