/**
 * Keras 2 layer configurations as `get_config()` writes them, field for field, with the defaults
 * that keras.applications does not change. tfjs-layers 4.22 reads exactly these.
 */

export type KerasConfig = Readonly<Record<string, unknown>>;

/** One layer of a functional model and the layers it is called on. */
export interface LayerRow {
  readonly className: string;
  readonly name: string;
  /** Complete Keras 2 config, `name` included. */
  readonly config: KerasConfig;
  readonly inbound: readonly string[];
}

type Pair = readonly [number, number];

const GLOROT_UNIFORM = { class_name: 'GlorotUniform', config: { seed: null } };
const ZEROS = { class_name: 'Zeros', config: {} };
const ONES = { class_name: 'Ones', config: {} };

function row(className: string, name: string, inbound: readonly string[], config: KerasConfig) {
  return {
    className,
    name,
    config: { name, trainable: true, dtype: 'float32', ...config },
    inbound,
  };
}

export function input(name: string, size: Pair): LayerRow {
  const config = {
    batch_input_shape: [null, size[0], size[1], 3],
    dtype: 'float32',
    sparse: false,
    ragged: false,
    name,
  };
  return { className: 'InputLayer', name, config, inbound: [] };
}

export interface ConvOptions {
  readonly filters: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: 'same' | 'valid';
  readonly activation?: 'relu' | 'linear';
  readonly bias?: boolean;
}

export function conv2d(name: string, from: string, options: ConvOptions): LayerRow {
  const { filters, kernel, stride = 1, padding = 'valid', activation = 'linear' } = options;
  return row('Conv2D', name, [from], {
    filters,
    kernel_size: [kernel, kernel],
    strides: [stride, stride],
    padding,
    data_format: 'channels_last',
    dilation_rate: [1, 1],
    groups: 1,
    activation,
    use_bias: options.bias ?? true,
    kernel_initializer: GLOROT_UNIFORM,
    bias_initializer: ZEROS,
    kernel_regularizer: null,
    bias_regularizer: null,
    activity_regularizer: null,
    kernel_constraint: null,
    bias_constraint: null,
  });
}

export interface DepthwiseOptions {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: 'same' | 'valid';
}

/** A depthwise convolution without bias, one filter a channel. */
export function depthwiseConv2d(name: string, from: string, options: DepthwiseOptions): LayerRow {
  const { kernel, stride, padding } = options;
  return row('DepthwiseConv2D', name, [from], {
    kernel_size: [kernel, kernel],
    strides: [stride, stride],
    padding,
    data_format: 'channels_last',
    dilation_rate: [1, 1],
    groups: 1,
    activation: 'linear',
    use_bias: false,
    bias_initializer: ZEROS,
    bias_regularizer: null,
    activity_regularizer: null,
    bias_constraint: null,
    depth_multiplier: 1,
    depthwise_initializer: GLOROT_UNIFORM,
    depthwise_regularizer: null,
    depthwise_constraint: null,
  });
}

export function batchNormalization(
  name: string,
  from: string,
  options: { readonly momentum: number; readonly epsilon: number },
): LayerRow {
  return row('BatchNormalization', name, [from], {
    axis: [3],
    momentum: options.momentum,
    epsilon: options.epsilon,
    center: true,
    scale: true,
    beta_initializer: ZEROS,
    gamma_initializer: ONES,
    moving_mean_initializer: ZEROS,
    moving_variance_initializer: ONES,
    beta_regularizer: null,
    gamma_regularizer: null,
    beta_constraint: null,
    gamma_constraint: null,
  });
}

/** `Activation('relu')`, ResNet's form. */
export function reluActivation(name: string, from: string): LayerRow {
  return row('Activation', name, [from], { activation: 'relu' });
}

/** `ReLU(6.)`, MobileNet's form. */
export function relu6(name: string, from: string): LayerRow {
  return row('ReLU', name, [from], { max_value: 6, negative_slope: 0, threshold: 0 });
}

export function add(name: string, from: readonly string[]): LayerRow {
  return row('Add', name, from, {});
}

export function zeroPadding2d(name: string, from: string, padding: readonly [Pair, Pair]) {
  return row('ZeroPadding2D', name, [from], { padding, data_format: 'channels_last' });
}

export function maxPooling2d(name: string, from: string, pool: number): LayerRow {
  return row('MaxPooling2D', name, [from], {
    pool_size: [pool, pool],
    padding: 'valid',
    strides: [2, 2],
    data_format: 'channels_last',
  });
}

export function globalAveragePooling2d(name: string, from: string): LayerRow {
  return row('GlobalAveragePooling2D', name, [from], {
    data_format: 'channels_last',
    keepdims: false,
  });
}

export function flatten(name: string, from: string): LayerRow {
  return row('Flatten', name, [from], { data_format: 'channels_last' });
}

export function dense(
  name: string,
  from: string,
  options: { readonly units: number; readonly activation: 'relu' | 'softmax' },
): LayerRow {
  return row('Dense', name, [from], {
    units: options.units,
    activation: options.activation,
    use_bias: true,
    kernel_initializer: GLOROT_UNIFORM,
    bias_initializer: ZEROS,
    kernel_regularizer: null,
    bias_regularizer: null,
    activity_regularizer: null,
    kernel_constraint: null,
    bias_constraint: null,
  });
}
