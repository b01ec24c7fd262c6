/**
 * Output and weight shapes of a topology by arithmetic alone, as Keras' `compute_output_shape` and
 * `build` give them, for the layer classes of image networks. No tensor is made.
 */
import type { KerasConfig } from './architectures/keras-layers.ts';
import { shapeSize } from './count-values.ts';
import {
  convolutionWindow,
  hasBias,
  normalization,
  paddingSides,
  poolingWindow,
  type Window,
} from './layer-attributes.ts';
import type { WeightSpec } from './model-folder.ts';
import { batchShape, listLayers, type OpenShape } from './topology-layers.ts';

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

/**
 * @returns one entry a layer in the topology's order, or undefined where a layer's class has no
 *   rule here (custom layers, nested models, shared layers, channels_first).
 */
export function inferLayerShapes(
  topology: Readonly<Record<string, unknown>>,
): LayerShape[] | undefined {
  const known = new Map<string, OpenShape>();
  const shapes: LayerShape[] = [];
  for (const layer of listLayers(topology)) {
    const { name, className, config } = layer;
    const own = batchShape(config)?.slice(1);
    const inputs =
      layer.inbound.length === 0 && own ? [own] : layer.inbound.map((from) => known.get(from));
    const rule = RULES.get(className);
    if (
      rule === undefined ||
      inputs.length === 0 ||
      !inputs.every((shape) => shape !== undefined)
    ) {
      return undefined;
    }
    if ((config.data_format ?? 'channels_last') !== 'channels_last') return undefined;
    if (inputs.length > 1 && !MERGES.has(className)) return undefined;
    const ruling = rule(config, inputs);
    if (ruling === undefined || !isShape(ruling.output)) return undefined;
    known.set(name, ruling.output);
    const weights = (ruling.weights ?? []).map(
      ([weight, shape]): WeightSpec => ({ name: `${name}/${weight}`, shape, dtype: 'float32' }),
    );
    shapes.push({ name, className, outputShape: ruling.output, weights });
  }
  return shapes;
}

const MERGES = new Set(['Add', 'Multiply', 'Average', 'Maximum', 'Concatenate']);

const same: Rule = (_config, [shape]) => ({ output: shape! });

const sameForAll: Rule = (_config, shapes) =>
  shapes.every((shape) => String(shape) === String(shapes[0])) ? { output: shapes[0] } : undefined;

const globalPool: Rule = (config, [shape]) =>
  shape!.length === 3
    ? { output: config.keepdims === true ? [1, 1, shape![2]] : [shape![2]] }
    : undefined;

const RULES = new Map<string, Rule>(
  Object.entries({
    InputLayer: same,
    Activation: same,
    ReLU: same,
    LeakyReLU: same,
    ELU: same,
    Softmax: same,
    Dropout: same,
    SpatialDropout2D: same,
    GaussianNoise: same,
    GaussianDropout: same,
    Rescaling: same,
    Add: sameForAll,
    Multiply: sameForAll,
    Average: sameForAll,
    Maximum: sameForAll,
    GlobalAveragePooling2D: globalPool,
    GlobalMaxPooling2D: globalPool,
    Conv2D: convolution,
    DepthwiseConv2D: depthwiseConvolution,
    SeparableConv2D: separableConvolution,
    MaxPooling2D: pooling,
    AveragePooling2D: pooling,
    ZeroPadding2D: zeroPadding,
    BatchNormalization: batchNormalization,
    Concatenate: concatenate,
    Flatten: flatten,
    Dense: dense,
  }),
);

function convolution(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  const [height, width, channels] = shape!;
  if (shape!.length !== 3 || channels == null || (config.groups ?? 1) !== 1) return undefined;
  const filters = config.filters as number;
  const window = convolutionWindow(config);
  return {
    output: [...positions(window, [height!, width!]), filters],
    weights: [['kernel', [...window.size, channels, filters]], ...biasOf(config, filters)],
  };
}

function depthwiseConvolution(config: KerasConfig, [shape]: readonly OpenShape[]) {
  const [height, width, channels] = shape!;
  if (shape!.length !== 3 || channels == null) return undefined;
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
  const [height, width, channels] = shape!;
  if (shape!.length !== 3 || channels == null) return undefined;
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
  if (shape!.length !== 3) return undefined;
  const [height, width, channels] = shape!;
  return { output: [...positions(poolingWindow(config), [height!, width!]), channels!] };
}

function zeroPadding(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  if (shape!.length !== 3) return undefined;
  const [height, width] = paddingSides(config).map(([before, after]) => before + after);
  return { output: [plus(shape![0], height!), plus(shape![1], width!), shape![2]] };
}

function batchNormalization(config: KerasConfig, [shape]: readonly OpenShape[]) {
  const channels = shape![shape!.length - 1];
  const axis = Array.isArray(config.axis) ? config.axis[0] : (config.axis ?? -1);
  if (channels == null || (axis !== -1 && axis !== shape!.length)) return undefined;
  const { gamma, beta, mean, variance } = normalization(config);
  const names = [gamma, beta, mean, variance].filter((name) => name !== undefined);
  return { output: shape!, weights: names.map((name) => [name, [channels]] as const) };
}

function concatenate(config: KerasConfig, shapes: readonly OpenShape[]): Ruling | undefined {
  const axis = (config.axis as number | undefined) ?? -1;
  const rank = shapes[0].length;
  if (axis !== -1 && axis !== rank) return undefined;
  const channels = shapes.map((shape) => shape[rank - 1]);
  if (channels.some((count) => count == null)) return undefined;
  const sum = (channels as number[]).reduce((a, b) => a + b, 0);
  return { output: [...shapes[0].slice(0, -1), sum] };
}

function flatten(_config: KerasConfig, [shape]: readonly OpenShape[]): Ruling {
  const isOpen = shape!.some((side) => side === null);
  return { output: [isOpen ? null : shapeSize(shape as readonly number[])] };
}

function dense(config: KerasConfig, [shape]: readonly OpenShape[]): Ruling | undefined {
  const features = shape![shape!.length - 1];
  if (features == null) return undefined;
  const units = config.units as number;
  return {
    output: [...shape!.slice(0, -1), units],
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
