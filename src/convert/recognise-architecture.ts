import { ARCHITECTURE_NAMES } from '../model/architectures/architecture.ts';
import {
  type BuiltArchitecture,
  buildArchitecture,
} from '../model/architectures/build-architecture.ts';
import type { Preprocessing } from '../options/preprocessing.ts';
import type { KerasGraph, KerasLayer } from './topology/keras-graph.ts';
import { TRAINING_ONLY } from './topology/layer-rules.ts';

interface NamedLayer {
  readonly name: string;
  readonly className: string;
}

/** Without influence on which network it is: keras.applications adds them on request. */
const OPTIONAL = new Set([
  'InputLayer',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'Dropout',
  'Flatten',
]);

/**
 * Decides by the names and classes of its layers whether a model is one of keras.applications, of any
 * width. A model with anything in front or behind (Rescaling, an own head) is not: its preprocessing
 * cannot be known.
 */
export function recogniseArchitecture(
  layers: readonly NamedLayer[],
): BuiltArchitecture | undefined {
  const found = signature(layers);
  return standardNetworks().find((network) => signature(network.layers) === found);
}

/** The four networks with and without their classifier, at full width. */
export function* standardNetworksOf(name: string): Generator<BuiltArchitecture> {
  yield buildArchitecture(name, { includeTop: true });
  yield buildArchitecture(name, { includeTop: false });
}

function standardNetworks(): BuiltArchitecture[] {
  return ARCHITECTURE_NAMES.flatMap((name) => [...standardNetworksOf(name)]);
}

function signature(layers: readonly NamedLayer[]): string {
  return layers
    .filter((layer) => !OPTIONAL.has(layer.className))
    .map((layer) => `${layer.name}:${layer.className}`)
    .sort()
    .join('\n');
}

/** A network of keras.applications, of any depth and width, by its first layers. */
export interface Family {
  readonly name: string;
  /** What its `preprocess_input` does, or would do where a part of the network does it that was left out. */
  readonly preprocessing: Preprocessing;
  /** Height and width where the model leaves them open and all networks of the family have the same. */
  readonly side?: number;
  /** The layer that gets the pixels. */
  readonly first: RegExp;
  /** A layer that no other family with such a first layer has. */
  readonly marker: RegExp;
}

// biome-ignore format: one line for each family
const FAMILIES: readonly Family[] = [
  { name: 'VGG', preprocessing: 'caffe', side: 224, first: /^block1_conv1$/, marker: /^block1_pool$/ },
  { name: 'Xception', preprocessing: 'tf', side: 299, first: /^block1_conv1$/, marker: /^block1_conv1_bn$/ },
  { name: 'ResNetV2', preprocessing: 'tf', side: 224, first: /^conv1_pad$/, marker: /^conv2_block1_preact_bn$/ },
  { name: 'ResNet', preprocessing: 'caffe', side: 224, first: /^conv1(_pad)?$/, marker: /^(conv1_conv|bn_conv1)$/ },
  { name: 'ResNetRS', preprocessing: 'torch', first: /^zero_padding2d(_\d+)?$/, marker: /^stem_1_stem_conv_1$/ },
  { name: 'DenseNet', preprocessing: 'torch', side: 224, first: /^zero_padding2d(_\d+)?$/, marker: /^conv2_block1_concat$/ },
  { name: 'InceptionV3', preprocessing: 'tf', side: 299, first: /^conv2d(_\d+)?$/, marker: /^mixed0$/ },
  { name: 'InceptionResNetV2', preprocessing: 'tf', side: 299, first: /^conv2d(_\d+)?$/, marker: /^mixed_5b$/ },
  { name: 'MobileNet', preprocessing: 'tf', side: 224, first: /^conv1(_pad)?$/, marker: /^conv_dw_1$/ },
  { name: 'MobileNetV2', preprocessing: 'tf', side: 224, first: /^Conv1(_pad)?$/, marker: /^expanded_conv_depthwise$/ },
  { name: 'MobileNetV3', preprocessing: 'tf', side: 224, first: /^conv$/i, marker: /^expanded_conv[/_]depthwise$/ },
  { name: 'NASNet', preprocessing: 'tf', first: /^stem_conv1$/, marker: /^stem_bn1$/ },
  { name: 'ConvNeXt', preprocessing: 'torch', side: 224, first: /_stem$/, marker: /_stage_0_block_0_layer_scale$/ },
  { name: 'RegNet', preprocessing: 'unit', side: 224, first: /_stem_conv$/, marker: /_Stage_0_[XYZ]Block_0_/ },
];

/**
 * The family of the network that gets the pixels: the model itself, with any head behind it, or a model inside it, with
 * augmentation before it.
 */
export function recogniseFamily(graph: KerasGraph): Family | undefined {
  for (const { first, layers, isScaled } of pixelReaders(graph)) {
    const found = FAMILIES.find(
      ({ first: isFirst, marker }) =>
        isFirst.test(first) && layers.some(({ name }) => marker.test(name)),
    );
    if (found !== undefined) return isScaled ? { ...found, preprocessing: 'none' } : found;
  }
  return undefined;
}

interface PixelReader {
  readonly first: string;
  readonly layers: readonly KerasLayer[];
  /** Whether the model scales the pixels before. */
  readonly isScaled: boolean;
}

/** The layer that reads the pixels, with the model it is in; where that is a model itself, also those inside it. */
function pixelReaders({ inputs, layers }: KerasGraph, wasScaled = false): PixelReader[] {
  let at = inputs.length === 1 ? inputs[0].layer : undefined;
  let isScaled = wasScaled;
  while (at !== undefined) {
    const from = at;
    const readers = layers.filter(({ calls }) =>
      calls.some(({ args }) => args.some((arg) => 'ref' in arg && arg.ref.layer === from)),
    );
    if (readers.length !== 1) return [];
    const [reader] = readers;
    if (!keepsImage(reader)) {
      const inner = reader.graph === undefined ? [] : pixelReaders(reader.graph, isScaled);
      return [{ first: reader.name, layers, isScaled }, ...inner];
    }
    isScaled ||= scales(reader);
    at = reader.name;
  }
  return [];
}

const SCALING = new Set(['Rescaling', 'Normalization']);
const KEEPING = new Set([
  ...TRAINING_ONLY,
  ...SCALING,
  'InputLayer',
  'Resizing',
  'CenterCrop',
  'Dropout',
]);

function keepsImage({ className, config, graph }: KerasLayer): boolean {
  if (graph !== undefined) return graph.layers.every(keepsImage);
  if (className === 'Activation') return config.activation === 'linear';
  return KEEPING.has(className) || /^(cast|identity)$/i.test(String(config.function ?? className));
}

function scales({ className, graph }: KerasLayer): boolean {
  return graph === undefined ? SCALING.has(className) : graph.layers.some(scales);
}
