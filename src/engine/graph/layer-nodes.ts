/** Keras layers as TensorFlow nodes: one rule for each layer class. */
import {
  areLastAxes,
  croppingSides,
  normalization,
  normalizedAxes,
  paddingSides,
  poolingWindow,
} from '../../model/layer-attributes.ts';
import {
  addActivation,
  addRectifier,
  leakyRectifier,
  parametricRectifier,
} from './activation-nodes.ts';
import {
  convolution,
  dense,
  depthwiseConvolution,
  moves,
  separableConvolution,
  transposedConvolution,
} from './convolution-nodes.ts';
import type { Value } from './graph-builder.ts';
import { type LayerContext, reshaped } from './layer-context.ts';
import { fuseSum, scaledOrigin } from './separable-nodes.ts';
import { UnsupportedGraph } from './unsupported-graph.ts';
import { type Norm, normOf, type WeightSource } from './weight-source.ts';

type Rule = (layer: LayerContext) => Value;

/** @throws UnsupportedGraph */
export function addLayer(layer: LayerContext): Value {
  return ruleOf(layer.row)(layer);
}

/** @throws UnsupportedGraph for a class that has no rule */
export function ruleOf({ className, name }: LayerContext['row']): Rule {
  const rule = LAYER_NODES.get(className);
  if (rule === undefined) throw new UnsupportedGraph(`the layer ${name} is a ${className}`);
  return rule;
}

const keep: Rule = ({ inputs }) => inputs[0];

export const LAYER_NODES: ReadonlyMap<string, Rule> = new Map(
  Object.entries({
    InputLayer: keep,
    // Layers that do something only in training.
    Dropout: keep,
    SpatialDropout2D: keep,
    GaussianNoise: keep,
    GaussianDropout: keep,
    Conv2D: convolution,
    Conv2DTranspose: transposedConvolution,
    DepthwiseConv2D: depthwiseConvolution,
    SeparableConv2D: separableConvolution,
    Dense: dense,
    BatchNormalization: batchNormalization,
    LayerNormalization: layerNormalization,
    LayerScale: layerScale,
    Rescaling: rescaling,
    Activation: (layer) => addActivation(layer, layer.inputs[0], layer.row.config.activation),
    ReLU: rectifier,
    LeakyReLU: leakyRectifier,
    PReLU: parametricRectifier,
    ELU: (layer) => addActivation(layer, layer.inputs[0], 'elu'),
    Softmax: softmax,
    ZeroPadding2D: zeroPadding,
    Cropping2D: cropping,
    CenterCrop: centerCrop,
    UpSampling2D: upSampling,
    Resizing: (layer) => resizing(layer, true),
    MaxPooling2D: (layer) => pooling(layer, 'MaxPool'),
    AveragePooling2D: (layer) => pooling(layer, 'AvgPool'),
    GlobalAveragePooling2D: (layer) => globalPooling(layer, 'Mean'),
    GlobalMaxPooling2D: (layer) => globalPooling(layer, 'Max'),
    Add: (layer) => fuseSum(layer) ?? merging(layer, 'AddV2', 'sum'),
    Average: averaging,
    Maximum: (layer) => merging(layer, 'Maximum', 'most'),
    Minimum: (layer) => merging(layer, 'Minimum', 'least'),
    Multiply: (layer) => ({
      ...merging(layer, 'Mul', 'product', true),
      ...(layer.mayFuse && { origin: scaledOrigin(layer) }),
    }),
    Concatenate: concatenation,
    Flatten: (layer) => reshaped(layer, `${layer.name}/flat`, layer.inputs[0], layer.outputShape),
    Reshape: (layer) => reshaped(layer, `${layer.name}/shaped`, layer.inputs[0], layer.outputShape),
    Permute: permutation,
  } satisfies Record<string, Rule>),
);

/** A normalisation that no convolution could take in. */
function batchNormalization(layer: LayerContext): Value {
  const { builder, name, inputs, inputShapes, row } = layer;
  const [channels] = layer.channels;
  if (inputShapes[0].length !== 3) return affine(layer, normOf(row));
  const { gamma, beta, mean, variance, epsilon } = normalization(row.config);
  const parameter = (node: string, weight: string | undefined, isScaled: boolean, value = 0) => {
    const source: WeightSource =
      weight === undefined
        ? { kind: 'values', values: Array(channels).fill(value) }
        : { kind: 'stored', name: `${row.name}/${weight}` };
    return builder.weight(`${name}/${node}`, [channels], source, { isScaled, staysFloat: true });
  };
  const parameters = [
    parameter('gamma', gamma, false, 1),
    parameter('beta', beta, true, 0),
    parameter('moving_mean', mean, true),
    parameter('moving_variance', variance, false),
  ];
  const input = builder.toCompute(inputs[0]);
  return builder.compute('FusedBatchNormV3', `${name}/norm`, [input, ...parameters], {
    U: { type: 'float' },
    epsilon: { float: epsilon },
    is_training: { bool: false },
  });
}

/** x · scale + offset for each channel, with what a batch normalisation has learnt. */
function affine({ builder, name, inputs, channels }: LayerContext, norm: Norm): Value {
  const shape = [channels[1]];
  const parameter = (node: string, source: WeightSource) =>
    builder.weight(`${name}/${node}`, shape, source, { staysFloat: true });
  const scale = parameter('scale', { kind: 'scale', norm });
  const offset = parameter('offset', { kind: 'bias', name: undefined, norm });
  const input = builder.toFloat(inputs[0]);
  const scaled = builder.compute('Mul', `${name}/scaled`, [input, scale], {}, true);
  return builder.compute('AddV2', `${name}/norm`, [scaled.name, offset], {}, true);
}

/** (x − mean) / √(variance + epsilon) · gamma + beta over the layer's axes, in float32. */
function layerNormalization(layer: LayerContext): Value {
  const { builder, name, inputs, inputShapes, row } = layer;
  const rank = inputShapes[0].length;
  const axes = normalizedAxes(row.config, rank);
  if (!areLastAxes(axes, rank)) {
    throw new UnsupportedGraph(`the layer ${row.name} does not normalise the last axes`);
  }
  const shape = axes.map((axis) => inputShapes[0][axis]!);
  const { gamma, beta, epsilon } = normalization(row.config);
  const over = builder.ints(
    `${name}/axes`,
    [axes.length],
    axes.map((axis) => axis + 1),
  );
  const op = (kind: string, node: string, ...operands: string[]) =>
    builder.compute(kind, `${name}/${node}`, operands, {}, true).name;
  const mean = (node: string, value: string) =>
    builder.compute(
      'Mean',
      `${name}/${node}`,
      [value, over],
      { ...INDEX, keep_dims: { bool: true } },
      true,
    ).name;
  const parameter = (weight: string) => {
    const source: WeightSource = { kind: 'stored', name: `${row.name}/${weight}` };
    return builder.weight(`${name}/${weight}`, shape, source, { staysFloat: true });
  };
  const x = builder.toFloat(inputs[0]);
  const centre = mean('mean', x);
  const variance = mean('variance', op('SquaredDifference', 'squares', x, centre));
  const smallest = builder.floats(`${name}/epsilon`, [], [epsilon]);
  const inverse = op('Rsqrt', 'inverse', op('AddV2', 'positive', variance, smallest));
  const scale = gamma === undefined ? inverse : op('Mul', 'scale', inverse, parameter(gamma));
  const scaled = op('Mul', 'scaled', op('Sub', 'centred', x, centre), scale);
  const value = beta === undefined ? scaled : op('AddV2', 'norm', scaled, parameter(beta));
  return { name: value, isFloat: true };
}

function layerScale({ builder, name, inputs, channels, row }: LayerContext): Value {
  const source: WeightSource = { kind: 'stored', name: `${row.name}/gamma` };
  const gamma = builder.weight(`${name}/gamma`, [channels[1]], source);
  return builder.compute('Mul', `${name}/scaled`, [builder.toCompute(inputs[0]), gamma]);
}

/** x · scale + offset, each one number or one for each channel. */
function rescaling({ builder, name, inputs, row }: LayerContext): Value {
  const { scale, offset = 0 } = row.config as Record<string, number | number[]>;
  const numbers = (node: string, value: number | number[]) =>
    builder.floats(`${name}/${node}`, Array.isArray(value) ? [value.length] : [], [value].flat());
  const input = [builder.toFloat(inputs[0]), numbers('by', scale)];
  const scaled = builder.compute('Mul', `${name}/scaled`, input, {}, true);
  const sum = [scaled.name, numbers('offset', offset)];
  return builder.compute('AddV2', `${name}/sum`, sum, {}, true);
}

function rectifier(layer: LayerContext): Value {
  const { max_value: most, negative_slope: slope, threshold } = layer.row.config;
  if ((slope ?? 0) !== 0 || (threshold ?? 0) !== 0) {
    throw new UnsupportedGraph(`the layer ${layer.row.name} has a slope or a threshold`);
  }
  const max = most === undefined || most === null ? undefined : Number(most);
  const known = max === undefined ? 'relu' : max === 6 ? 'relu6' : undefined;
  if (known !== undefined) return addActivation(layer, layer.inputs[0], known);
  return addRectifier(layer, layer.inputs[0], max);
}

function softmax(layer: LayerContext): Value {
  const rank = layer.inputShapes[0].length;
  if (String(normalizedAxes(layer.row.config, rank)) !== String([rank - 1])) {
    throw new UnsupportedGraph(
      `the layer ${layer.row.name} is a softmax over another axis than the last`,
    );
  }
  return addActivation(layer, layer.inputs[0], 'softmax');
}

function zeroPadding({ builder, name, inputs, row, mayFuse }: LayerContext): Value {
  const sides = paddingSides(row.config).flat();
  const amounts = builder.ints(`${name}/amounts`, [4, 2], [0, 0, ...sides, 0, 0]);
  const padded = builder.compute('Pad', `${name}/pad`, [builder.toCompute(inputs[0]), amounts], {
    Tpaddings: { type: 'int32' },
  });
  if (!mayFuse) return padded;
  return { ...padded, origin: { kind: 'padded', input: inputs[0], pads: sides } };
}

function pooling({ builder, name, inputs, row }: LayerContext, op: 'MaxPool' | 'AvgPool'): Value {
  const window = poolingWindow(row.config);
  return builder.compute(op, `${name}/pool`, [builder.toCompute(inputs[0])], {
    ...moves(window),
    ksize: { ints: [1, ...window.size, 1] },
  });
}

function globalPooling(layer: LayerContext, op: 'Mean' | 'Max'): Value {
  const { builder, name, inputs, outputShape, row } = layer;
  const { mean } = inputs[0];
  if (op === 'Mean' && mean !== undefined) {
    return reshaped(layer, `${name}/pool`, { name: mean, isFloat: true }, outputShape);
  }
  const axes = builder.ints(`${name}/axes`, [2], [1, 2]);
  return builder.compute(op, `${name}/pool`, [builder.toCompute(inputs[0]), axes], {
    ...INDEX,
    keep_dims: { bool: row.config.keepdims === true },
  });
}

function cropping(layer: LayerContext): Value {
  const [[top], [left]] = croppingSides(layer.row.config);
  return slice(layer, top, left);
}

function centerCrop(layer: LayerContext): Value {
  const [top, left] = [0, 1].map((i) =>
    Math.floor((layer.inputShapes[0][i]! - layer.outputShape[i]!) / 2),
  );
  return slice(layer, top, left);
}

function slice(
  { builder, name, inputs, outputShape }: LayerContext,
  top: number,
  left: number,
): Value {
  const begin = builder.ints(`${name}/begin`, [4], [0, top, left, 0]);
  const [height, width] = outputShape;
  const size = builder.ints(`${name}/size`, [4], [-1, height!, width!, -1]);
  const { name: input, isFloat } = inputs[0];
  const index = { Index: { type: 'int32' } } as const;
  return builder.compute('Slice', `${name}/part`, [input, begin, size], index, isFloat);
}

function upSampling(layer: LayerContext): Value {
  const { interpolation = 'nearest' } = layer.row.config;
  return resizing(
    { ...layer, row: { ...layer.row, config: { interpolation } } },
    interpolation !== 'nearest',
  );
}

/** @param byCentre whether the centres of pixels are compared, not their corners. */
function resizing(
  { builder, name, inputs, outputShape, row }: LayerContext,
  byCentre: boolean,
): Value {
  const { interpolation = 'bilinear' } = row.config;
  if (interpolation !== 'bilinear' && interpolation !== 'nearest') {
    throw new UnsupportedGraph(`the layer ${row.name} resizes by ${interpolation}`);
  }
  const size = builder.ints(`${name}/size`, [2], outputShape.slice(0, 2) as number[]);
  const op = interpolation === 'nearest' ? 'ResizeNearestNeighbor' : 'ResizeBilinear';
  const attributes = { align_corners: { bool: false }, half_pixel_centers: { bool: byCentre } };
  return builder.compute(
    op,
    `${name}/resized`,
    [builder.toFloat(inputs[0]), size],
    attributes,
    true,
  );
}

function merging(layer: LayerContext, op: string, node: string, inFloat = false): Value {
  const { builder, name } = layer;
  const [first, ...others] = operands(layer, inFloat);
  const isFloat = inFloat || builder.type === 'float';
  const merged = others.reduce((left, right, i) => {
    return builder.compute(op, `${name}/${node}_${i}`, [left, right], {}, isFloat).name;
  }, first);
  return { name: merged, isFloat };
}

/** The inputs, all with the same number of axes: Keras compares shapes from the last axis on. */
function operands(layer: LayerContext, inFloat: boolean): string[] {
  const { builder, name, inputs, inputShapes, outputShape } = layer;
  const rank = outputShape.length;
  return inputs.map((input, i) => {
    const shape = inputShapes[i];
    const missing = Array<number>(rank - shape.length).fill(1);
    const value =
      missing.length === 0
        ? input
        : reshaped(layer, `${name}/input_${i}`, input, [...missing, ...shape]);
    return inFloat ? builder.toFloat(value) : builder.toCompute(value);
  });
}

function averaging(layer: LayerContext): Value {
  const { builder, name, inputs } = layer;
  const sum = builder.toFloat(merging(layer, 'AddV2', 'sum'));
  const share = builder.floats(`${name}/share`, [], [1 / inputs.length]);
  return builder.compute('Mul', `${name}/mean`, [sum, share], {}, true);
}

function concatenation({ builder, name, inputs, outputShape, row }: LayerContext): Value {
  const [position] = normalizedAxes(row.config, outputShape.length);
  const axis = builder.ints(`${name}/axis`, [], [position + 1]);
  const values = inputs.map((value) => builder.toCompute(value));
  return builder.compute('ConcatV2', `${name}/all`, [...values, axis], {
    N: { int: values.length },
    ...INDEX,
  });
}

function permutation({ builder, name, inputs, row }: LayerContext): Value {
  const dims = [0, ...(row.config.dims as number[])];
  const order = builder.ints(`${name}/order`, [dims.length], dims);
  const { name: input, isFloat } = inputs[0];
  const index = { Tperm: { type: 'int32' } } as const;
  return builder.compute('Transpose', `${name}/turned`, [input, order], index, isFloat);
}

const INDEX = { Tidx: { type: 'int32' } } as const;
