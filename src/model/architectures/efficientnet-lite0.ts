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
} from './keras-layers.ts';

/** Inverted residual blocks of each stage, and the stride of the stage's first. */
const STAGES = [
  { blocks: 1, kernel: 3, stride: 1, expansion: 1 },
  { blocks: 2, kernel: 3, stride: 2, expansion: 6 },
  { blocks: 2, kernel: 5, stride: 2, expansion: 6 },
  { blocks: 3, kernel: 3, stride: 2, expansion: 6 },
  { blocks: 3, kernel: 5, stride: 1, expansion: 6 },
  { blocks: 4, kernel: 5, stride: 2, expansion: 6 },
  { blocks: 1, kernel: 3, stride: 1, expansion: 6 },
];

/**
 * EfficientNet-Lite0 of github.com/tensorflow/tpu: EfficientNet-B0 without squeeze and excitation, with ReLU6 for
 * swish. Layers have the names of keras.applications' EfficientNet; widths are the stem, the seven stages' outputs, the top.
 */
export const EFFICIENTNET_LITE0: Architecture = {
  name: 'efficientnet-lite0',
  modelName: 'efficientnet-lite0',
  preprocessing: 'mean=127,std=128',
  standard: {
    widths: [32, 16, 24, 40, 80, 112, 192, 320, 1280],
    fcUnits: [],
    classes: 1000,
    includeTop: true,
    inputSize: [224, 224],
  },
  stages: ['stem_conv', ...STAGES.map((_, i) => `block${i + 1}a_project_conv`), 'top_conv'],
  fcLayers: [],
  scale: scaleDivisible,
  layers: efficientnetLiteLayers,
};

function efficientnetLiteLayers({ widths, inputSize, includeTop, classes }: Variant): LayerRow[] {
  const rows: LayerRow[] = [input('input_1', inputSize)];
  const last = () => rows[rows.length - 1].name;
  /** Convolution, normalisation and, but after a projection, ReLU6. */
  const addConvolution = (
    [conv, norm, activation]: readonly [conv: string, norm: string, activation?: string],
    makeConv: (name: string, from: string) => LayerRow,
  ) => {
    rows.push(makeConv(conv, last()));
    rows.push(batchNormalization(norm, conv, { momentum: 0.99, epsilon: 1e-3 }));
    if (activation !== undefined) rows.push(relu6(activation, norm));
  };
  const pointwise = (filters: number) => (name: string, from: string) =>
    conv2d(name, from, { filters, kernel: 1, padding: 'same', bias: false });

  addConvolution(['stem_conv', 'stem_bn', 'stem_activation'], (name, from) =>
    conv2d(name, from, { filters: widths[0], kernel: 3, stride: 2, padding: 'same', bias: false }),
  );
  let channels = widths[0];
  for (const [s, { blocks, kernel, expansion, ...stage }] of STAGES.entries()) {
    const filters = widths[s + 1];
    for (let b = 0; b < blocks; b++) {
      const name = `block${s + 1}${String.fromCharCode(97 + b)}_`;
      const stride = b === 0 ? stage.stride : 1;
      const from = last();
      if (expansion > 1) {
        addConvolution(
          [`${name}expand_conv`, `${name}expand_bn`, `${name}expand_activation`],
          pointwise(expansion * channels),
        );
      }
      addConvolution([`${name}dwconv`, `${name}bn`, `${name}activation`], (conv, before) =>
        depthwiseConv2d(conv, before, { kernel, stride, padding: 'same' }),
      );
      addConvolution([`${name}project_conv`, `${name}project_bn`], pointwise(filters));
      if (stride === 1 && channels === filters) rows.push(add(`${name}add`, [from, last()]));
      channels = filters;
    }
  }
  addConvolution(['top_conv', 'top_bn', 'top_activation'], pointwise(widths[8]));
  if (!includeTop) return rows;
  rows.push(
    globalAveragePooling2d('avg_pool', last()),
    dense('predictions', 'avg_pool', { units: classes, activation: 'softmax' }),
  );
  return rows;
}
