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
  const padding: unknown = config.padding ?? 1;
  const [rows, columns] = Array.isArray(padding) ? padding : [padding, padding];
  return [pair(rows), pair(columns)];
}

/** Weights of a batch normalisation by their names, those that it has not being undefined. */
export function normalization({ scale, center, epsilon }: KerasConfig) {
  return {
    gamma: scale === false ? undefined : 'gamma',
    beta: center === false ? undefined : 'beta',
    mean: 'moving_mean',
    variance: 'moving_variance',
    epsilon: (epsilon as number | undefined) ?? 1e-3,
  };
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

/** NaN for anything but a number or a list of numbers: then no shape can be computed. */
function pair(value: unknown): Pair {
  const [a, b = a] = Array.isArray(value) ? value : [value];
  return [typeof a === 'number' ? a : Number.NaN, typeof b === 'number' ? b : Number.NaN];
}
