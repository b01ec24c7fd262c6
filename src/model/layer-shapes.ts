/**
 * Output and weight shapes of a topology by arithmetic alone, as Keras' `compute_output_shape` and
 * `build` give them, for the layer classes of image networks. No tensor is made.
 */
import type { KerasConfig, LayerRow } from './architectures/keras-layers.ts';
import { shapeSize } from './count-values.ts';
import {
  areLastAxes,
  convolutionWindow,
  croppingSides,
  groupCount,
  hasBias,
  normalization,
  normalizedAxes,
  paddingSides,
  poolingWindow,
  targetSize,
  upSamplingFactors,
  type Window,
} from './layer-attributes.ts';
import type { WeightSpec } from './model-folder.ts';
import {
  batchShape,
  callKey,
  type LayerCall,
  listCalls,
  listLayers,
  type OpenShape,
} from './topology-layers.ts';

export interface LayerShape {
  readonly name: string;
  readonly className: string;
  /** Without the batch dimension; null where the model leaves the size open. */
  readonly outputShape: OpenShape;
  /** In tfjs order: kernel, bias; gamma, beta, moving_mean, moving_variance. */
  readonly weights: readonly WeightSpec[];
}

interface Ruling {
  readonly output: OpenShape;
  readonly weights?: readonly (readonly [name: string, shape: readonly number[]])[];
}

/** undefined = this configuration is outside what the rule covers. */
type Rule = (config: KerasConfig, inputs: readonly OpenShape[]) => Ruling | undefined;

/** One call of a layer, with shapes. */
export interface CallShape extends LayerCall {
  readonly inputShapes: readonly OpenShape[];
  readonly outputShape: OpenShape;
  readonly weights: readonly WeightSpec[];
}

/**
 * @returns one entry a layer in the topology's order, or undefined where a layer's class has no
 *   rule here (custom layers, nested models, channels_first). A shared layer has the shape of its first call.
 */
export function inferLayerShapes(
  topology: Readonly<Record<string, unknown>>,
): LayerShape[] | undefined {
  const calls = inferCallShapes(topology);
  if (!Array.isArray(calls)) return undefined;
  const byKey = new Map(calls.map((call) => [call.key, call]));
  return listLayers(topology).map(({ name, className }) => {
    const { outputShape, weights } = byKey.get(callKey(name, 0))!;
    return { name, className, outputShape, weights };
  });
}

/** @returns the calls, each after those that it reads; or the first layer whose shape is not known */
export function inferCallShapes(
  topology: Readonly<Record<string, unknown>>,
): CallShape[] | { readonly unknown: LayerRow } {
  const known = new Map<string, OpenShape>();
  const shapes: CallShape[] = [];
  for (const call of listCalls(topology)) {
    const { name, className, config } = call.row;
    const own = batchShape(config)?.slice(1);
    const inputs =
      call.inputs.length === 0 && own ? [own] : call.inputs.map((from) => known.get(from)!);
    const ruling = ruleFor(className, config, inputs);
    if (ruling === undefined) return { unknown: call.row };
    known.set(call.key, ruling.output);
    const weights = (ruling.weights ?? []).map(
      ([weight, shape]): WeightSpec => ({ name: `${name}/${weight}`, shape, dtype: 'float32' }),
    );
    shapes.push({ ...call, inputShapes: inputs, outputShape: ruling.output, weights });
  }
  return shapes;
}

function ruleFor(
  className: string,
  config: KerasConfig,
  inputs: readonly OpenShape[],
): Ruling | undefined {
  if (inputs.length === 0 || inputs.includes(undefined!)) return undefined;
  if ((config.data_format ?? 'channels_last') !== 'channels_last') return undefined;
  if (inputs.length > 1 && !MERGES.has(className)) return undefined;
  const ruling = RULES.get(className)?.(config, inputs);
  return ruling !== undefined && isShape(ruling.output) ? ruling : undefined;
}

const MERGES = new Set(['Add', 'Multiply', 'Average', 'Maximum', 'Minimum', 'Concatenate']);

const same: Rule = (_config, [shape]) => ({ output: shape });

/** Shapes are compared from the last axis on; a side of 1 fits any. */
const broadcast: Rule = (_config, shapes) => {
  const rank = Math.max(...shapes.map(({ length }) => length));
  const output = Array.from({ length: rank }, (_, axis) => {
    const sides = shapes.map((shape) => shape[axis - rank + shape.length]);
    const others = new Set(sides.filter((side) => side !== undefined && side !== 1));
    return others.size > 1 ? Number.NaN : ([...others][0] ?? (others.size === 1 ? null : 1));
  });
  return { output };
};

const globalPool: Rule = (config, [shape]) =>
  shape.length === 3
    ? { output: config.keepdims === true ? [1, 1, shape[2]] : [shape[2]] }
    : undefined;

const RULES = new Map<string, Rule>(
  Object.entries({
    InputLayer: same,
    Activation: same,
    ReLU: same,
    LeakyReLU: same,
    PReLU: parametricRectifier,
    ELU: same,
    Softmax: same,
    Dropout: same,
    SpatialDropout2D: same,
    GaussianNoise: same,
    GaussianDropout: same,
    Rescaling: same,
    Add: broadcast,
    Multiply: broadcast,
    Average: broadcast,
    Maximum: broadcast,
    Minimum: broadcast,
    GlobalAveragePooling2D: globalPool,
    GlobalMaxPooling2D: globalPool,
    Conv2D: convolution,
    Conv2DTranspose: transposedConvolution,
    DepthwiseConv2D: depthwiseConvolution,
    SeparableConv2D: separableConvolution,
    MaxPooling2D: pooling,
    AveragePooling2D: pooling,
    ZeroPadding2D: zeroPadding,
    Cropping2D: cropping,
    UpSampling2D: upSampling,
    Resizing: resizing,
    CenterCrop: centerCrop,
    BatchNormalization: batchNormalization,
    LayerNormalization: layerNormalization,
    LayerScale: layerScale,
    Reshape: reshape,
    Permute: permute,
    Concatenate: concatenate,
    Flatten: flatten,
    Dense: dense,
  }),
);

function convolution(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  const [height, width, channels] = shape;
  const read = channels! / groupCount(config);
  if (shape.length !== 3 || channels == null || !Number.isInteger(read)) return undefined;
  const filters = config.filters as number;
  const window = convolutionWindow(config);
  return {
    output: [...positions(window, [height!, width!]), filters],
    weights: [['kernel', [...window.size, read, filters]], ...biasOf(config, filters)],
  };
}

/** Keras' `deconv_output_length`. */
function transposedConvolution(config: KerasConfig, [shape]: readonly OpenShape[]) {
  const { size, strides, dilation, isSame } = convolutionWindow(config);
  const channels = shape[2];
  if (shape.length !== 3 || channels == null || dilation.some((n) => n !== 1)) return undefined;
  const filters = config.filters as number;
  const sides = shape.slice(0, 2).map((side, i) => {
    return side && side * strides[i] + (isSame ? 0 : Math.max(size[i] - strides[i], 0));
  });
  return {
    output: [...sides, filters],
    weights: [['kernel', [...size, filters, channels]] as const, ...biasOf(config, filters)],
  };
}

function depthwiseConvolution(config: KerasConfig, [shape]: readonly OpenShape[]) {
  const [height, width, channels] = shape;
  if (shape.length !== 3 || channels == null) return undefined;
  const multiplier = (config.depth_multiplier as number | undefined) ?? 1;
  const window = convolutionWindow(config);
  return {
    output: [...positions(window, [height!, width!]), channels * multiplier],
    weights: [
      ['depthwise_kernel', [...window.size, channels, multiplier]] as const,
      ...biasOf(config, channels * multiplier),
    ],
  };
}

function separableConvolution(config: KerasConfig, [shape]: readonly OpenShape[]) {
  const [height, width, channels] = shape;
  if (shape.length !== 3 || channels == null) return undefined;
  const multiplier = (config.depth_multiplier as number | undefined) ?? 1;
  const filters = config.filters as number;
  const window = convolutionWindow(config);
  return {
    output: [...positions(window, [height!, width!]), filters],
    weights: [
      ['depthwise_kernel', [...window.size, channels, multiplier]] as const,
      ['pointwise_kernel', [1, 1, channels * multiplier, filters]] as const,
      ...biasOf(config, filters),
    ],
  };
}

function pooling(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  if (shape.length !== 3) return undefined;
  const [height, width, channels] = shape;
  return { output: [...positions(poolingWindow(config), [height!, width!]), channels!] };
}

function zeroPadding(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  if (shape.length !== 3) return undefined;
  const [height, width] = paddingSides(config).map(([before, after]) => before + after);
  return { output: [plus(shape[0], height), plus(shape[1], width), shape[2]] };
}

function cropping(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  if (shape.length !== 3) return undefined;
  const [height, width] = croppingSides(config).map(([before, after]) => before + after);
  return { output: [plus(shape[0], -height), plus(shape[1], -width), shape[2]] };
}

function upSampling(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  if (shape.length !== 3) return undefined;
  const factors = upSamplingFactors(config);
  return { output: shape.map((side, i) => side && side * (factors[i] ?? 1)) };
}

function resizing(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  return shape.length === 3 ? { output: [...targetSize(config), shape[2]] } : undefined;
}

/** Keras resizes images that are smaller; here they have no rule. */
function centerCrop(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  const size = targetSize(config);
  const isLarger = size.every((side, i) => side <= (shape[i] ?? 0));
  return shape.length === 3 && isLarger ? { output: [...size, shape[2]] } : undefined;
}

function batchNormalization(config: KerasConfig, [shape]: readonly OpenShape[]) {
  const axes = normalizedAxes(config, shape.length);
  const channels = shape.at(-1);
  if (channels == null || axes.length !== 1 || !areLastAxes(axes, shape.length)) return undefined;
  const { gamma, beta, mean, variance } = normalization(config);
  const names = [gamma, beta, mean, variance].filter((name) => name !== undefined);
  return { output: shape, weights: names.map((name) => [name, [channels]] as const) };
}

function layerNormalization(config: KerasConfig, [shape]: readonly OpenShape[]) {
  const sides = normalizedAxes(config, shape.length).map((axis) => shape[axis]);
  if (sides.some((side) => side == null)) return undefined;
  const { gamma, beta } = normalization(config);
  const names = [gamma, beta].filter((name) => name !== undefined);
  return { output: shape, weights: names.map((name) => [name, sides as number[]] as const) };
}

function layerScale(_config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  const channels = shape.at(-1);
  return channels == null ? undefined : { output: shape, weights: [['gamma', [channels]]] };
}

function parametricRectifier(config: KerasConfig, [shape]: readonly OpenShape[]) {
  const shared = (config.shared_axes ?? []) as readonly number[];
  const alpha = shape.map((side, i) => (shared.includes(i + 1) ? 1 : side));
  if (alpha.includes(null)) return undefined;
  return { output: shape, weights: [['alpha', alpha as number[]] as const] };
}

function reshape(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  const target = config.target_shape as readonly number[] | undefined;
  if (!Array.isArray(target) || shape.includes(null)) return undefined;
  const length = shapeSize(shape as readonly number[]);
  const given = shapeSize(target.filter((side) => side !== -1));
  const output = target.map((side) => (side === -1 ? length / given : side));
  return shapeSize(output) === length ? { output } : undefined;
}

function permute({ dims }: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  if (!Array.isArray(dims) || dims.length !== shape.length) return undefined;
  return { output: dims.map((axis) => shape[axis - 1] ?? null) };
}

function concatenate(config: KerasConfig, shapes: readonly OpenShape[]): Ruling | undefined {
  const [axis] = normalizedAxes(config, shapes[0].length);
  const others = shapes.map((shape) => String(shape.toSpliced(axis, 1)));
  const sides = shapes.map((shape) => shape[axis]);
  if (new Set(others).size > 1 || sides.some((side) => side == null)) return undefined;
  const sum = (sides as number[]).reduce((a, b) => a + b, 0);
  return { output: shapes[0].with(axis, sum) };
}

function flatten(_config: KerasConfig, [shape]: readonly OpenShape[]): Ruling {
  const isOpen = shape.some((side) => side === null);
  return { output: [isOpen ? null : shapeSize(shape as readonly number[])] };
}

function dense(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  const features = shape[shape.length - 1];
  if (features == null) return undefined;
  const units = config.units as number;
  return {
    output: [...shape.slice(0, -1), units],
    weights: [['kernel', [features, units]], ...biasOf(config, units)],
  };
}

function biasOf(config: KerasConfig, length: number): [name: string, shape: number[]][] {
  return hasBias(config) ? [['bias', [length]]] : [];
}

/** Number of window positions along height and width (Keras `conv_output_length`). */
function positions({ size, strides, dilation, isSame }: Window, sides: OpenShape) {
  return sides.map((side, i) => {
    if (side === null) return null;
    const reach = (size[i] - 1) * dilation[i] + 1;
    return Math.ceil((isSame ? side : side - reach + 1) / strides[i]);
  });
}

function isShape(shape: OpenShape): boolean {
  return shape.every((side) => side === null || (Number.isSafeInteger(side) && side >= 1));
}

function plus(side: number | null, padding: number): number | null {
  return side === null ? null : side + padding;
}
