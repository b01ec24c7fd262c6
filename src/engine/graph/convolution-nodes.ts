/** Convolutions and dense layers as TensorFlow nodes. */
import {
  convolutionWindow,
  groupCount,
  hasBias,
  type Window,
} from '../../model/layer-attributes.ts';
import { addActivation } from './activation-nodes.ts';
import type { Value } from './graph-builder.ts';
import { type LayerContext, reshaped } from './layer-context.ts';
import { addDepthwise, addPointwise, type Weights } from './separable-nodes.ts';
import type { Attribute } from './tensorflow-protos.ts';
import { UnsupportedGraph } from './unsupported-graph.ts';
import type { Norm, WeightSource } from './weight-source.ts';
import { addWinograd, WINOGRAD_CHANNELS } from './winograd-nodes.ts';

const POINT: Window = { size: [1, 1], strides: [1, 1], dilation: [1, 1], isSame: false };

export function convolution(layer: LayerContext): Value {
  if (isForWinograd(layer)) return winogradConvolution(layer);
  const { builder, name, row, inputs, channels, mayFuse } = layer;
  const window = convolutionWindow(row.config);
  const isPoint = [...window.size, ...window.strides, groupCount(row.config)].every((n) => n === 1);
  if (mayFuse && isPoint) {
    const made = addPointwise(builder, `${name}/conv`, inputs[0], ownWeights(layer));
    return addActivation(layer, made, row.config.activation);
  }
  // TensorFlow sees from the kernel's shape that there are groups.
  const shape = [...window.size, channels[0] / groupCount(row.config), channels[1]];
  const convolved = convolve(layer, inputs[0], { shape, source: kernelSource(layer), window });
  return addActivation(layer, addBias(layer, convolved), row.config.activation);
}

export function depthwiseConvolution(layer: LayerContext): Value {
  const { builder, name, inputs, inputShapes, row, channels, mayFuse } = layer;
  const window = convolutionWindow(row.config);
  const sides = inputShapes[0].slice(0, 2);
  const isPlain = channels[0] === channels[1] && window.dilation.every((rate) => rate === 1);
  if (mayFuse && isPlain && sides.every((side) => side !== null)) {
    const weights = ownWeights(layer, 'depthwise_kernel');
    const made = addDepthwise(builder, `${name}/conv`, inputs[0], weights, window, sides);
    return addActivation(layer, made, row.config.activation);
  }
  const convolved = convolveDepthwise(layer, layer.channels[1], layer.norm);
  return addActivation(layer, addBias(layer, convolved), layer.row.config.activation);
}

/** Each channel by itself, then all channels of one place. */
export function separableConvolution(layer: LayerContext): Value {
  const { row, channels } = layer;
  const { depth_multiplier: multiplier = 1 } = row.config as { depth_multiplier?: number };
  const between = channels[0] * multiplier;
  const depthwise = convolveDepthwise(layer, between, undefined);
  const mixed = convolve(layer, depthwise, {
    label: 'pointwise',
    shape: [1, 1, between, channels[1]],
    source: kernelSource(layer, 'pointwise_kernel'),
    window: POINT,
  });
  return addActivation(layer, addBias(layer, mixed), row.config.activation);
}

/** On values with height and width a convolution of 1×1, in the layers' precision. */
export function dense(layer: LayerContext): Value {
  const { builder, name, inputs, row, inputShapes, channels: shape } = layer;
  const rank = inputShapes[0].length;
  const source = kernelSource(layer);
  if (rank === 3) {
    const mixed = convolve(layer, inputs[0], { shape: [1, 1, ...shape], source, window: POINT });
    return addActivation(layer, addBias(layer, mixed), row.config.activation);
  }
  // float32 in every precision: a small part of the work, and under a softmax errors grow.
  const kernel = builder.weight(`${name}/kernel`, shape, source, { staysFloat: true });
  const rows = rank === 1 ? inputs[0] : reshaped(layer, `${name}/rows`, inputs[0], [shape[0]]);
  const input = builder.toFloat(rows);
  const product = builder.compute('MatMul', `${name}/product`, [input, kernel], {}, true);
  const biased = addBias(layer, product);
  const sum = rank === 1 ? biased : reshaped(layer, `${name}/units`, biased, layer.outputShape);
  return addActivation(layer, sum, row.config.activation);
}

/** The gradient of a convolution is one from its output to its input. */
export function transposedConvolution(layer: LayerContext): Value {
  const { builder, name, inputs, channels, row } = layer;
  const window = convolutionWindow(row.config);
  const shape = [...window.size, channels[1], channels[0]];
  const kernel = builder.weight(`${name}/kernel`, shape, kernelSource(layer));
  const input = builder.toCompute(inputs[0]);
  const sizes = addSizes(layer, input);
  const convolved = builder.compute(
    'Conv2DBackpropInput',
    `${name}/conv`,
    [sizes, kernel, input],
    moves(window),
  );
  return addActivation(layer, addBias(layer, convolved), row.config.activation);
}

/** [n, height, width, channels] of the output, n being that of the input. */
function addSizes({ builder, name, outputShape }: LayerContext, input: string): string {
  const { type } = builder;
  const shape = builder.add('Shape', `${name}/input_shape`, [input], {
    T: { type },
    out_type: { type: 'int32' },
  });
  const [begin, size] = [
    builder.ints(`${name}/first`, [1], [0]),
    builder.ints(`${name}/one`, [1], [1]),
  ];
  const images = builder.add('Slice', `${name}/images`, [shape, begin, size], {
    T: { type: 'int32' },
    Index: { type: 'int32' },
  });
  const sides = builder.ints(`${name}/sides`, [3], outputShape as readonly number[]);
  const axis = builder.ints(`${name}/axis`, [], [0]);
  return builder.add('ConcatV2', `${name}/sizes`, [images, sides, axis], {
    T: { type: 'int32' },
    Tidx: { type: 'int32' },
    N: { int: 2 },
  });
}

interface Kernel {
  /** Before the names of the nodes. */
  readonly label?: string;
  readonly shape: readonly number[];
  readonly source: WeightSource;
  readonly window: Window;
}

function convolve({ builder, name }: LayerContext, value: Value, kernel: Kernel): Value {
  const { label, shape, source, window } = kernel;
  const prefix = label === undefined ? name : `${name}/${label}`;
  const weight = builder.weight(`${prefix}/kernel`, shape, source);
  return builder.compute('Conv2D', `${prefix}/conv`, [builder.toCompute(value), weight], {
    ...moves(window),
    dilations: { ints: [1, ...window.dilation, 1] },
  });
}

function convolveDepthwise(layer: LayerContext, outputs: number, norm: Norm | undefined): Value {
  const { builder, name, inputs, row, channels } = layer;
  const window = convolutionWindow(row.config);
  const source = kernelSource({ ...layer, norm }, 'depthwise_kernel');
  if (window.dilation.some((rate) => rate !== 1)) {
    // The operation for one channel has no dilation; that for groups of one channel does the same with the same bytes.
    return convolve(layer, inputs[0], { shape: [...window.size, 1, outputs], source, window });
  }
  if (window.strides[0] !== window.strides[1]) {
    throw new UnsupportedGraph(`the layer ${row.name} has uneven strides`);
  }
  const kernelShape = [...window.size, channels[0], outputs / channels[0]];
  const kernel = builder.weight(`${name}/kernel`, kernelShape, source);
  const input = builder.toCompute(inputs[0]);
  return builder.compute('DepthwiseConv2dNative', `${name}/conv`, [input, kernel], {
    ...moves(window),
    dilations: { ints: [1, 1, 1, 1] },
  });
}

function winogradConvolution(layer: LayerContext): Value {
  const { builder, name, outputShape } = layer;
  const isRectified = layer.row.config.activation === 'relu';
  // The largest of four stays the largest under a rectifier, but not under any activation.
  const isMonotone = isRectified || (layer.row.config.activation ?? 'linear') === 'linear';
  const isEven = outputShape.slice(0, 2).every((size) => size !== null && size % 2 === 0);
  const isPooled = layer.takePooling !== undefined && isMonotone && isEven;
  if (isPooled) layer.takePooling();
  const value = addWinograd(builder, `${name}/conv`, layer.inputs[0], {
    ...ownWeights(layer),
    isRectified,
    isPooled,
  });
  return isRectified ? value : addActivation(layer, value, layer.row.config.activation);
}

/** 3×3, stride 1, the size kept; and enough channels that the two transforms cost less than they save. */
function isForWinograd({ mayUseWinograd, row, channels }: LayerContext): boolean {
  const { size, strides, dilation, isSame } = convolutionWindow(row.config);
  const isPlain = [...strides, ...dilation, groupCount(row.config)].every((n) => n === 1);
  const is3x3 = size.every((n) => n === 3) && isSame;
  return mayUseWinograd && isPlain && is3x3 && channels.every((n) => n >= WINOGRAD_CHANNELS);
}

function ownWeights(layer: LayerContext, weight?: string): Weights {
  const { channels } = layer;
  const bias = biasSource(layer) ?? { kind: 'values', values: Array(channels[1]).fill(0) };
  return { kernel: kernelSource(layer, weight), bias, channels };
}

function kernelSource({ row, norm }: LayerContext, weight = 'kernel'): WeightSource {
  const name = `${row.name}/${weight}`;
  return norm === undefined ? { kind: 'stored', name } : { kind: 'kernel', name, norm };
}

/** The bias, with the normalisation after the convolution applied to it. */
function addBias(layer: LayerContext, { name: value, isFloat }: Value): Value {
  const { builder, name, channels, addsUnfused } = layer;
  const source = biasSource(layer);
  if (source === undefined) return { name: value, isFloat };
  const options = { isScaled: !isFloat, staysFloat: isFloat };
  const bias = builder.weight(`${name}/bias`, [channels[1]], source, options);
  const op = addsUnfused ? 'AddV2' : 'BiasAdd';
  return builder.compute(op, `${name}/biased`, [value, bias], {}, isFloat);
}

function biasSource({ row, norm }: LayerContext): WeightSource | undefined {
  const name = hasBias(row.config) ? `${row.name}/bias` : undefined;
  if (norm !== undefined) return { kind: 'bias', name, norm };
  return name === undefined ? undefined : { kind: 'stored', name };
}

export function moves({ strides, isSame }: Window): Record<string, Attribute> {
  return {
    strides: { ints: [1, ...strides, 1] },
    padding: { string: isSame ? 'SAME' : 'VALID' },
  };
}
