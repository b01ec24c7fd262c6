import { type Architecture, scaleDivisible, type Variant } from './architecture.ts';
import {
  add,
  batchNormalization,
  conv2d,
  dense,
  depthwiseConv2d,
  globalAveragePooling2d,
  input,
  type LayerRow,
  relu6,
  zeroPadding2d,
} from './keras-layers.ts';

/** Inverted residual blocks of each group, and the stride of the group's first. */
const GROUPS = [
  { blocks: 1, stride: 1, expansion: 1 },
  { blocks: 2, stride: 2, expansion: 6 },
  { blocks: 3, stride: 2, expansion: 6 },
  { blocks: 4, stride: 2, expansion: 6 },
  { blocks: 3, stride: 1, expansion: 6 },
  { blocks: 3, stride: 2, expansion: 6 },
  { blocks: 1, stride: 1, expansion: 6 },
];

/** keras.applications.MobileNetV2; widths are Conv1, the seven groups' outputs, Conv_1. */
export const MOBILENETV2: Architecture = {
  name: 'mobilenetv2',
  modelName: 'mobilenetv2_1.00_224',
  preprocessing: 'tf',
  standard: {
    widths: [32, 16, 24, 32, 64, 96, 160, 320, 1280],
    fcUnits: [],
    classes: 1000,
    includeTop: true,
    inputSize: [224, 224],
  },
  stages: [
    'Conv1',
    'expanded_conv_project',
    'block_1_project',
    'block_3_project',
    'block_6_project',
    'block_10_project',
    'block_13_project',
    'block_16_project',
    'Conv_1',
  ],
  fcLayers: [],
  scale: scaleDivisible,
  layers: mobilenetV2Layers,
};

function mobilenetV2Layers(variant: Variant): LayerRow[] {
  const { widths, inputSize } = variant;
  let size: readonly [number, number] = inputSize;
  let channels = widths[0];
  const rows: LayerRow[] = [
    input('input_1', size),
    conv2d('Conv1', 'input_1', {
      filters: channels,
      kernel: 3,
      stride: 2,
      padding: 'same',
      bias: false,
    }),
    norm('bn_Conv1', 'Conv1'),
    relu6('Conv1_relu', 'bn_Conv1'),
  ];
  size = halved(size);
  let id = 0;
  for (const [g, group] of GROUPS.entries()) {
    for (let i = 0; i < group.blocks; i++) {
      const stride = i === 0 ? group.stride : 1;
      const shape = { channels, filters: widths[g + 1], expansion: group.expansion, stride, size };
      rows.push(...invertedResidual(id++, rows[rows.length - 1].name, shape));
      channels = shape.filters;
      if (stride === 2) size = halved(size);
    }
  }
  rows.push(
    conv2d('Conv_1', rows[rows.length - 1].name, { filters: widths[8], kernel: 1, bias: false }),
    norm('Conv_1_bn', 'Conv_1'),
    relu6('out_relu', 'Conv_1_bn'),
  );
  if (!variant.includeTop) return rows;
  rows.push(
    globalAveragePooling2d('global_average_pooling2d', 'out_relu'),
    dense('predictions', 'global_average_pooling2d', {
      units: variant.classes,
      activation: 'softmax',
    }),
  );
  return rows;
}

interface BlockShape {
  readonly channels: number;
  readonly filters: number;
  readonly expansion: number;
  readonly stride: number;
  readonly size: readonly [number, number];
}

/** Expand 1×1, depthwise 3×3, project 1×1; added to the input where both have the same shape. */
function invertedResidual(id: number, from: string, shape: BlockShape): LayerRow[] {
  const { channels, filters, expansion, stride, size } = shape;
  const name = id === 0 ? 'expanded_conv' : `block_${id}`;
  const rows: LayerRow[] = [];
  const last = () => rows[rows.length - 1]?.name ?? from;
  if (id > 0) {
    rows.push(
      conv2d(`${name}_expand`, last(), {
        filters: expansion * channels,
        kernel: 1,
        padding: 'same',
        bias: false,
      }),
      norm(`${name}_expand_BN`, `${name}_expand`),
      relu6(`${name}_expand_relu`, `${name}_expand_BN`),
    );
  }
  if (stride === 2) {
    // Keras' correct_pad: an even side gets its zeros after the pixels only.
    const pad = (side: number) => [side % 2 === 0 ? 0 : 1, 1] as const;
    rows.push(zeroPadding2d(`${name}_pad`, last(), [pad(size[0]), pad(size[1])]));
  }
  rows.push(
    depthwiseConv2d(`${name}_depthwise`, last(), {
      kernel: 3,
      stride,
      padding: stride === 1 ? 'same' : 'valid',
    }),
    norm(`${name}_depthwise_BN`, `${name}_depthwise`),
    relu6(`${name}_depthwise_relu`, `${name}_depthwise_BN`),
    conv2d(`${name}_project`, `${name}_depthwise_relu`, {
      filters,
      kernel: 1,
      padding: 'same',
      bias: false,
    }),
    norm(`${name}_project_BN`, `${name}_project`),
  );
  if (channels === filters && stride === 1) {
    rows.push(add(`${name}_add`, [from, `${name}_project_BN`]));
  }
  return rows;
}

function halved([height, width]: readonly [number, number]): [number, number] {
  return [Math.ceil(height / 2), Math.ceil(width / 2)];
}

function norm(name: string, from: string): LayerRow {
  return batchNormalization(name, from, { momentum: 0.999, epsilon: 1e-3 });
}
