/**
 * Our own operations for networks of 1×1 and depthwise convolutions (native/winograd/separable.h) as nodes. A
 * value remembers how it was made; what follows it and can be done in the same operation is added by making
 * that operation again, and TensorFlow leaves out the one that nobody reads any more.
 */
import type { Window } from '../../model/layer-attributes.ts';
import type { Depthwise, GraphBuilder, Origin, Pointwise, Value } from './graph-builder.ts';
import type { LayerContext } from './layer-context.ts';
import type { WeightSource } from './weight-source.ts';

export const POINTWISE_OP = 'Img2FeaturesPointwiseConv2D';
export const DEPTHWISE_OP = 'Img2FeaturesDepthwiseConv2D';
const PANELS_OP = 'Img2FeaturesPanels';
/** kPanel of native/winograd: output channels that lie together in a prepared kernel. */
export const PANEL = 16;

/** By Keras' name: the number in native/winograd/separable.h. */
const ACTIVATIONS: Readonly<Record<string, number>> = {
  linear: 0,
  relu: 1,
  relu6: 2,
  swish: 3,
  sigmoid: 4,
};

export interface Weights {
  readonly kernel: WeightSource;
  readonly bias: WeightSource;
  readonly channels: readonly [into: number, out: number];
}

/** 1×1, stride 1, bias added. */
export function addPointwise(
  builder: GraphBuilder,
  name: string,
  input: Value,
  { kernel, bias, channels: [into, out] }: Weights,
): Value {
  const prepared = { op: PANELS_OP, shape: [Math.ceil(out / PANEL), into, PANEL] };
  const panels = builder.weight(`${name}/kernel`, [1, 1, into, out], kernel, { prepared });
  const { origin } = input;
  return pointwise(builder, name, {
    kind: 'pointwise',
    ...(origin?.kind === 'scaled'
      ? { input: origin.input, scale: origin.scale }
      : { input: input.name }),
    panels,
    bias: builder.weight(`${name}/bias`, [out], bias),
    activation: 0,
  });
}

function pointwise(builder: GraphBuilder, name: string, origin: Pointwise): Value {
  const { input, panels, bias, activation } = origin;
  const none = builder.floats(`${name}/none`, [0], []);
  const inputs = [input, panels, bias, origin.scale ?? none, origin.residual ?? none];
  builder.add(POINTWISE_OP, name, inputs, { activation: { int: activation } });
  return { name, isFloat: true, origin };
}

/** k×k of each channel by itself, bias added; the sides of the input are known. */
export function addDepthwise(
  builder: GraphBuilder,
  name: string,
  input: Value,
  { kernel, bias, channels: [channels] }: Weights,
  { size, strides, isSame }: Window,
  sides: readonly number[],
): Value {
  const pad = !isSame && input.origin?.kind === 'padded' ? input.origin : undefined;
  // The operation takes no more zeros on a side than its kernel reads together with a pixel.
  const padded = pad?.pads.every((zeros, i) => zeros < size[i >> 1]) ? pad : undefined;
  const from = padded?.input ?? input;
  const same = sides.flatMap((side, i) => {
    const missing = (Math.ceil(side / strides[i]) - 1) * strides[i] + size[i] - side;
    const before = Math.floor(Math.max(0, missing) / 2);
    return [before, Math.max(0, missing) - before];
  });
  const { origin } = from;
  const canExpand =
    origin?.kind === 'pointwise' && origin.scale === undefined && origin.residual === undefined;
  return depthwise(builder, name, {
    kind: 'depthwise',
    input: canExpand ? origin.input : from.name,
    kernel: builder.weight(`${name}/kernel`, [...size, channels, 1], kernel),
    bias: builder.weight(`${name}/bias`, [channels], bias),
    activation: 0,
    strides,
    pads: padded?.pads ?? (isSame ? same : [0, 0, 0, 0]),
    expand: canExpand ? origin : undefined,
  });
}

function depthwise(builder: GraphBuilder, name: string, origin: Depthwise): Value {
  const { input, kernel, bias, activation, strides, pads, expand } = origin;
  const none = expand === undefined ? builder.floats(`${name}/none`, [0], []) : '';
  const inputs = [input, kernel, bias, expand?.panels ?? none, expand?.bias ?? none];
  builder.add(DEPTHWISE_OP, name, inputs, {
    activation: { int: activation },
    expand: { int: expand?.activation ?? 0 },
    strides: { ints: strides },
    pads: { ints: pads },
  });
  return { name, isFloat: true, origin, mean: `${name}:1` };
}

/** @returns undefined where the operation that made the value cannot do it. */
export function fuseActivation(
  { builder, name }: LayerContext,
  { origin }: Value,
  wanted: unknown,
): Value | undefined {
  const activation = typeof wanted === 'string' ? ACTIVATIONS[wanted] : undefined;
  if (activation === undefined || origin === undefined) return undefined;
  const fused = `${name}/fused`;
  if (origin.kind === 'pointwise' && origin.activation === 0) {
    return pointwise(builder, fused, { ...origin, activation });
  }
  if (origin.kind === 'depthwise' && origin.activation === 0) {
    return depthwise(builder, fused, { ...origin, activation });
  }
  return undefined;
}

/** The sum of two values, of which a 1×1 convolution makes one. */
export function fuseSum({ builder, name, inputs, inputShapes }: LayerContext): Value | undefined {
  if (inputs.length !== 2 || String(inputShapes[0]) !== String(inputShapes[1])) return undefined;
  for (const [value, other] of [
    [inputs[1], inputs[0]],
    [inputs[0], inputs[1]],
  ] as const) {
    const { origin } = value;
    if (origin?.kind !== 'pointwise' || origin.activation !== 0) continue;
    if (origin.residual !== undefined) continue;
    return pointwise(builder, `${name}/fused`, { ...origin, residual: other.name });
  }
  return undefined;
}

/** A product of [height, width, channels] and [1, 1, channels], as a 1×1 convolution can make it of its input. */
export function scaledOrigin({ inputs, inputShapes }: LayerContext): Origin | undefined {
  const at = inputShapes.findIndex(([height, width]) => height === 1 && width === 1);
  if (inputs.length !== 2 || at < 0 || inputShapes.some((shape) => shape.length !== 3)) {
    return undefined;
  }
  if (inputShapes[0][2] !== inputShapes[1][2]) return undefined;
  return { kind: 'scaled', input: inputs[1 - at].name, scale: inputs[at].name };
}
