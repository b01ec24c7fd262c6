/**
 * Attributes of Keras layers with Keras' defaults: read here for the shapes (layer-shapes.ts) and for the nodes of the
 * graph (engine/graph/layer-nodes.ts). For what tfjs accepts of them see convert/topology/layer-rules.ts.
 */
import type { KerasConfig } from './architectures/keras-layers.ts';

type Pair = readonly [height: number, width: number];

/** A window that moves over height and width. */
export interface Window {
  readonly size: Pair;
  readonly strides: Pair;
  readonly dilation: Pair;
  /** Keras' padding="same"; else "valid". */
  readonly isSame: boolean;
}

export function convolutionWindow(config: KerasConfig): Window {
  return windowOf(config, config.kernel_size, 1);
}

/** A pool moves by its own size where no strides are given. */
export function poolingWindow(config: KerasConfig): Window {
  const size = config.pool_size ?? 2;
  return windowOf(config, size, size);
}

/** Zeros before and after, along height and along width. */
export function paddingSides(config: KerasConfig): readonly [Pair, Pair] {
  return sidesOf(config.padding ?? 1);
}

/** What is cut away before and after, along height and along width. */
export function croppingSides(config: KerasConfig): readonly [Pair, Pair] {
  return sidesOf(config.cropping ?? 0);
}

/** Height and width that the layer gives, whatever comes in. */
export function targetSize({ height, width }: KerasConfig): Pair {
  return pair([height, width]);
}

export function upSamplingFactors(config: KerasConfig): Pair {
  return pair(config.size ?? 2);
}

export function groupCount(config: KerasConfig): number {
  return (config.groups as number | undefined) ?? 1;
}

/** Weights of a batch or layer normalisation by their names, those that it has not being undefined. */
export function normalization({ scale, center, epsilon }: KerasConfig) {
  return {
    gamma: scale === false ? undefined : 'gamma',
    beta: center === false ? undefined : 'beta',
    mean: 'moving_mean',
    variance: 'moving_variance',
    epsilon: (epsilon as number | undefined) ?? 1e-3,
  };
}

/**
 * The axes of a normalisation or softmax, sorted, where 0 is the first after the batch.
 * @param rank number of axes without the batch.
 */
export function normalizedAxes({ axis = -1 }: KerasConfig, rank: number): readonly number[] {
  const axes = (Array.isArray(axis) ? axis : [axis]) as number[];
  return axes.map((one) => (one < 0 ? one + rank : one - 1)).sort((a, b) => a - b);
}

/** Whether these are the last axes of a tensor, so that weights of their shape fit without a reshape. */
export function areLastAxes(axes: readonly number[], rank: number): boolean {
  return axes.length > 0 && axes.every((axis, i) => axis === rank - axes.length + i);
}

export function hasBias(config: KerasConfig): boolean {
  return config.use_bias !== false;
}

function windowOf(config: KerasConfig, size: unknown, strides: unknown): Window {
  return {
    size: pair(size),
    strides: pair(config.strides ?? strides),
    dilation: pair(config.dilation_rate ?? 1),
    isSame: config.padding === 'same',
  };
}

/** n, [rows, columns] or [[top, bottom], [left, right]]. */
function sidesOf(value: unknown): readonly [Pair, Pair] {
  const [rows, columns] = Array.isArray(value) ? value : [value, value];
  return [pair(rows), pair(columns)];
}

/** NaN for anything but a number or a list of numbers: then no shape can be computed. */
function pair(value: unknown): Pair {
  const [a, b = a] = Array.isArray(value) ? value : [value];
  return [typeof a === 'number' ? a : Number.NaN, typeof b === 'number' ? b : Number.NaN];
}
