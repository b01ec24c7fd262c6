import { type Architecture, scaleRounded, type Variant } from './architecture.ts';
import {
  add,
  batchNormalization,
  conv2d,
  dense,
  globalAveragePooling2d,
  input,
  type LayerRow,
  maxPooling2d,
  reluActivation,
  zeroPadding2d,
} from './keras-layers.ts';

/** Residual blocks in stages conv2 to conv5. */
const DEPTHS = [3, 4, 6, 3];

/** keras.applications.ResNet50 (version 1: stride in the first 1×1 convolution of a stage). */
export const RESNET50: Architecture = {
  name: 'resnet50',
  modelName: 'resnet50',
  preprocessing: 'caffe',
  standard: {
    widths: [64, 64, 128, 256, 512],
    fcUnits: [],
    classes: 1000,
    includeTop: true,
    inputSize: [224, 224],
  },
  stages: [
    'conv1_conv',
    'conv2_block1_1_conv',
    'conv3_block1_1_conv',
    'conv4_block1_1_conv',
    'conv5_block1_1_conv',
  ],
  fcLayers: [],
  scale: scaleRounded,
  layers: resnet50Layers,
};

function resnet50Layers(variant: Variant): LayerRow[] {
  const [stem, ...widths] = variant.widths;
  const rows: LayerRow[] = [
    input('input_1', variant.inputSize),
    zeroPadding2d('conv1_pad', 'input_1', [
      [3, 3],
      [3, 3],
    ]),
    conv2d('conv1_conv', 'conv1_pad', { filters: stem, kernel: 7, stride: 2 }),
    norm('conv1_bn', 'conv1_conv'),
    reluActivation('conv1_relu', 'conv1_bn'),
    zeroPadding2d('pool1_pad', 'conv1_relu', [
      [1, 1],
      [1, 1],
    ]),
    maxPooling2d('pool1_pool', 'pool1_pad', 3),
  ];
  for (const [stage, depth] of DEPTHS.entries()) {
    for (let block = 1; block <= depth; block++) {
      rows.push(
        ...residualBlock(`conv${stage + 2}_block${block}`, rows[rows.length - 1].name, {
          width: widths[stage],
          stride: stage > 0 && block === 1 ? 2 : 1,
          projects: block === 1,
        }),
      );
    }
  }
  if (!variant.includeTop) return rows;
  rows.push(
    globalAveragePooling2d('avg_pool', rows[rows.length - 1].name),
    dense('predictions', 'avg_pool', { units: variant.classes, activation: 'softmax' }),
  );
  return rows;
}

/** 1×1, 3×3, 1×1 to four times the width, plus the input or its projection. */
function residualBlock(
  name: string,
  from: string,
  { width, stride, projects }: { width: number; stride: number; projects: boolean },
): LayerRow[] {
  const wide = 4 * width;
  const projection = projects
    ? [
        conv2d(`${name}_0_conv`, from, { filters: wide, kernel: 1, stride }),
        norm(`${name}_0_bn`, `${name}_0_conv`),
      ]
    : [];
  return [
    conv2d(`${name}_1_conv`, from, { filters: width, kernel: 1, stride }),
    norm(`${name}_1_bn`, `${name}_1_conv`),
    reluActivation(`${name}_1_relu`, `${name}_1_bn`),
    conv2d(`${name}_2_conv`, `${name}_1_relu`, { filters: width, kernel: 3, padding: 'same' }),
    norm(`${name}_2_bn`, `${name}_2_conv`),
    reluActivation(`${name}_2_relu`, `${name}_2_bn`),
    // Keras lists layers by depth: the projection is beside the third convolution.
    ...projection.slice(0, 1),
    conv2d(`${name}_3_conv`, `${name}_2_relu`, { filters: wide, kernel: 1 }),
    ...projection.slice(1),
    norm(`${name}_3_bn`, `${name}_3_conv`),
    add(`${name}_add`, [projects ? `${name}_0_bn` : from, `${name}_3_bn`]),
    reluActivation(`${name}_out`, `${name}_add`),
  ];
}

function norm(name: string, from: string): LayerRow {
  return batchNormalization(name, from, { momentum: 0.99, epsilon: 1.001e-5 });
}
