/** Keras layers as TensorFlow nodes: one rule for each layer class. */
import {
  convolutionWindow,
  hasBias,
  normalization,
  paddingSides,
  poolingWindow,
  type Window,
} from '../../model/layer-attributes.ts';
import { addActivation } from './activation-nodes.ts';
import type { Value } from './graph-builder.ts';
import type { LayerContext } from './layer-context.ts';
import type { Attribute } from './tensorflow-protos.ts';
import { UnsupportedGraph } from './unsupported-graph.ts';
import type { WeightSource } from './weight-source.ts';
import { addWinograd, WINOGRAD_CHANNELS } from './winograd-nodes.ts';

type Rule = (layer: LayerContext) => Value;

/** @throws UnsupportedGraph */
export function addLayer(layer: LayerContext): Value {
  const { className, name } = layer.row;
  const rule = RULES.get(className);
  if (rule === undefined) throw new UnsupportedGraph(`the layer ${name} is a ${className}`);
  return rule(layer);
}

const keep: Rule = ({ inputs }) => inputs[0];

const RULES = new Map<string, Rule>(
  Object.entries({
    // Layers that do something only in training.
    Dropout: keep,
    SpatialDropout2D: keep,
    GaussianNoise: keep,
    GaussianDropout: keep,
    Conv2D: convolution,
    DepthwiseConv2D: depthwiseConvolution,
    BatchNormalization: batchNormalization,
    Activation: (layer) => addActivation(layer, layer.inputs[0], layer.row.config.activation),
    ReLU: rectifier,
    Softmax: (layer) => addActivation(layer, layer.inputs[0], 'softmax'),
    ZeroPadding2D: zeroPadding,
    MaxPooling2D: (layer) => pooling(layer, 'MaxPool'),
    AveragePooling2D: (layer) => pooling(layer, 'AvgPool'),
    GlobalAveragePooling2D: (layer) => globalPooling(layer, 'Mean'),
    GlobalMaxPooling2D: (layer) => globalPooling(layer, 'Max'),
    Add: addition,
    Concatenate: concatenation,
    Flatten: flattening,
    Dense: dense,
  } satisfies Record<string, Rule>),
);

function convolution(layer: LayerContext): Value {
  if (isForWinograd(layer)) return winogradConvolution(layer);
  const { builder, name, inputs, row, inputShapes, outputShape } = layer;
  const { config } = row;
  const window = convolutionWindow(config);
  const kernelShape = [...window.size, inputShapes[0].at(-1)!, outputShape.at(-1)!];
  const kernel = builder.weight(`${name}/kernel`, kernelShape, kernelSource(layer, 'kernel'));
  const input = builder.toCompute(inputs[0]);
  const convolved = builder.compute('Conv2D', `${name}/conv`, [input, kernel], {
    ...moves(window),
    dilations: { ints: [1, ...window.dilation, 1] },
  });
  return addActivation(layer, addBias(layer, convolved), config.activation);
}

function depthwiseConvolution(layer: LayerContext): Value {
  const { builder, name, inputs, row, inputShapes, outputShape } = layer;
  const { config } = row;
  const window = convolutionWindow(config);
  const { strides, dilation } = window;
  if (strides[0] !== strides[1] || dilation.some((rate) => rate !== 1)) {
    throw new UnsupportedGraph(`the layer ${row.name} has uneven strides or dilation`);
  }
  const channels = inputShapes[0].at(-1)!;
  const kernelShape = [...window.size, channels, outputShape.at(-1)! / channels];
  const source = kernelSource(layer, 'depthwise_kernel');
  const kernel = builder.weight(`${name}/kernel`, kernelShape, source);
  const input = builder.toCompute(inputs[0]);
  const convolved = builder.compute('DepthwiseConv2dNative', `${name}/conv`, [input, kernel], {
    ...moves(window),
    dilations: { ints: [1, 1, 1, 1] },
  });
  return addActivation(layer, addBias(layer, convolved), config.activation);
}

function winogradConvolution(layer: LayerContext): Value {
  const { builder, name, inputShapes, outputShape } = layer;
  const isRectified = layer.row.config.activation === 'relu';
  // The largest of four stays the largest under a rectifier, but not under any activation.
  const isMonotone = isRectified || (layer.row.config.activation ?? 'linear') === 'linear';
  const isEven = outputShape.slice(0, 2).every((size) => size !== null && size % 2 === 0);
  const isPooled = layer.takePooling !== undefined && isMonotone && isEven;
  if (isPooled) layer.takePooling();
  const value = addWinograd(builder, `${name}/conv`, layer.inputs[0], {
    kernel: kernelSource(layer, 'kernel'),
    bias: biasSource(layer) ?? { kind: 'values', values: Array(outputShape.at(-1)!).fill(0) },
    channels: [inputShapes[0].at(-1)!, outputShape.at(-1)!],
    isRectified,
    isPooled,
  });
  return isRectified ? value : addActivation(layer, value, layer.row.config.activation);
}

/** 3×3, stride 1, the size kept; and enough channels that the two transforms cost less than they save. */
function isForWinograd({ mayUseWinograd, row, inputShapes, outputShape }: LayerContext): boolean {
  const { size, strides, dilation, isSame } = convolutionWindow(row.config);
  const isPlain = [...strides, ...dilation, row.config.groups ?? 1].every((n) => n === 1);
  const is3x3 = size.every((n) => n === 3) && isSame;
  const channels = [inputShapes[0].at(-1)!, outputShape.at(-1)!];
  return mayUseWinograd && isPlain && is3x3 && channels.every((n) => n >= WINOGRAD_CHANNELS);
}

function kernelSource({ row, norm }: LayerContext, weight: string): WeightSource {
  const name = `${row.name}/${weight}`;
  return norm === undefined ? { kind: 'stored', name } : { kind: 'kernel', name, norm };
}

/** The bias, with the normalisation after the convolution applied to it. */
function addBias(layer: LayerContext, { name: value, isFloat }: Value): Value {
  const { builder, name, outputShape, addsUnfused } = layer;
  const source = biasSource(layer);
  if (source === undefined) return { name: value, isFloat };
  const options = { isScaled: !isFloat, staysFloat: isFloat };
  const bias = builder.weight(`${name}/bias`, [outputShape.at(-1)!], source, options);
  const op = addsUnfused ? 'AddV2' : 'BiasAdd';
  return builder.compute(op, `${name}/biased`, [value, bias], {}, isFloat);
}

function biasSource({ row, norm }: LayerContext): WeightSource | undefined {
  const name = hasBias(row.config) ? `${row.name}/bias` : undefined;
  if (norm !== undefined) return { kind: 'bias', name, norm };
  return name === undefined ? undefined : { kind: 'stored', name };
}

/** A normalisation that no convolution could take in. */
function batchNormalization(layer: LayerContext): Value {
  const { builder, name, inputs, inputShapes, row } = layer;
  const channels = inputShapes[0].at(-1)!;
  if (inputShapes[0].length !== 3) {
    throw new UnsupportedGraph(`the layer ${row.name} normalises values without height and width`);
  }
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

function rectifier(layer: LayerContext): Value {
  const { max_value: most, negative_slope: slope, threshold } = layer.row.config;
  if ((slope ?? 0) !== 0 || (threshold ?? 0) !== 0) {
    throw new UnsupportedGraph(`the layer ${layer.row.name} has a slope or a threshold`);
  }
  const max = most === undefined || most === null ? undefined : Number(most);
  return addActivation(layer, layer.inputs[0], 'relu', max);
}

function zeroPadding({ builder, name, inputs, row }: LayerContext): Value {
  const sides = paddingSides(row.config).flat();
  const amounts = builder.ints(`${name}/amounts`, [4, 2], [0, 0, ...sides, 0, 0]);
  return builder.compute('Pad', `${name}/pad`, [builder.toCompute(inputs[0]), amounts], {
    Tpaddings: { type: 'int32' },
  });
}

function pooling({ builder, name, inputs, row }: LayerContext, op: 'MaxPool' | 'AvgPool'): Value {
  const window = poolingWindow(row.config);
  return builder.compute(op, `${name}/pool`, [builder.toCompute(inputs[0])], {
    ...moves(window),
    ksize: { ints: [1, ...window.size, 1] },
  });
}

function globalPooling({ builder, name, inputs, row }: LayerContext, op: 'Mean' | 'Max'): Value {
  const axes = builder.ints(`${name}/axes`, [2], [1, 2]);
  return builder.compute(op, `${name}/pool`, [builder.toCompute(inputs[0]), axes], {
    Tidx: { type: 'int32' },
    keep_dims: { bool: row.config.keepdims === true },
  });
}

function addition({ builder, name, inputs }: LayerContext): Value {
  const [first, ...others] = inputs.map((value) => builder.toCompute(value));
  const sum = others.reduce((left, right, i) => {
    return builder.compute('AddV2', `${name}/sum_${i}`, [left, right]).name;
  }, first!);
  return { name: sum, isFloat: builder.type === 'float' };
}

function concatenation({ builder, name, inputs }: LayerContext): Value {
  const axis = builder.ints(`${name}/axis`, [], [-1]);
  const values = inputs.map((value) => builder.toCompute(value));
  return builder.compute('ConcatV2', `${name}/all`, [...values, axis], {
    N: { int: values.length },
    Tidx: { type: 'int32' },
  });
}

function flattening({ builder, name, inputs, outputShape }: LayerContext): Value {
  const shape = builder.ints(`${name}/shape`, [2], [-1, outputShape[0]!]);
  return builder.compute('Reshape', `${name}/flat`, [builder.toCompute(inputs[0]), shape], {
    Tshape: { type: 'int32' },
  });
}

function dense(layer: LayerContext): Value {
  const { builder, name, inputs, row, inputShapes, outputShape } = layer;
  if (inputShapes[0].length !== 1) {
    throw new UnsupportedGraph(`the layer ${row.name} is a Dense on more than one axis`);
  }
  // float32 in every precision: a small part of the work, and under a softmax errors grow.
  const shape = [inputShapes[0][0]!, outputShape[0]!];
  const source = kernelSource(layer, 'kernel');
  const kernel = builder.weight(`${name}/kernel`, shape, source, { staysFloat: true });
  const input = builder.toFloat(inputs[0]);
  const product = builder.compute('MatMul', `${name}/product`, [input, kernel], {}, true);
  return addActivation(layer, addBias(layer, product), row.config.activation);
}

function moves({ strides, isSame }: Window): Record<string, Attribute> {
  return {
    strides: { ints: [1, ...strides, 1] },
    padding: { string: isSame ? 'SAME' : 'VALID' },
  };
}
