/**
 * What tfjs-layers 4.22 with the layers of runtime/tfjs-layers.ts computes as Keras does, read in its source class by
 * class. A field that it ignores (ReLU's threshold) is `fixed` to the value at which that makes no difference.
 */
import {
  layerScale,
  leakyRectifier,
  normalization,
  rectifier,
  rescaling,
  sameBothWays,
  singleAxis,
  withoutForgetBias,
} from './adapt-layer.ts';
import type { LayerRule } from './layer-rule.ts';
import { unsupported } from './unsupported.ts';

const CHANNELS_LAST = { data_format: ['channels_last', null] };
const SPATIAL = { ...CHANNELS_LAST, padding: ['same', 'valid'] };
const UNGROUPED = { groups: [1] };

const CONVOLUTION: LayerRule = {
  keep: ['filters', 'kernel_size', 'strides', 'padding', 'dilation_rate', 'activation', 'use_bias'],
  fixed: { ...SPATIAL, ...UNGROUPED },
  zeroed: ['kernel', 'bias'],
};

const POOLING: LayerRule = { keep: ['pool_size', 'strides', 'padding'], fixed: SPATIAL };

/** tfjs knows no `keepdims`: a Reshape restores the sides of length 1. */
function globalPooling(sides: number): LayerRule {
  return {
    fixed: CHANNELS_LAST,
    harmless: ['keepdims'],
    followedBy: ({ layer }) =>
      layer.config.keepdims === true
        ? {
            className: 'Reshape',
            config: { target_shape: [...Array<number>(sides).fill(1), -1] },
          }
        : undefined,
  };
}

/** Layers that do nothing outside training. */
const IDENTITY: LayerRule = {
  adapt: () => ({ className: 'Activation', config: { activation: 'linear' } }),
};

/** Augmentation, and what is dropped while a network is trained; AutoContrast and Equalization always work. */
export const TRAINING_ONLY: readonly string[] = [
  'AugMix',
  'CutMix',
  'MixUp',
  'RandAugment',
  'RandomBrightness',
  'RandomColorDegeneration',
  'RandomColorJitter',
  'RandomContrast',
  'RandomElasticTransform',
  'RandomErasing',
  'RandomFlip',
  'RandomGaussianBlur',
  'RandomGrayscale',
  'RandomHeight',
  'RandomHue',
  'RandomInvert',
  'RandomPerspective',
  'RandomPosterization',
  'RandomRotation',
  'RandomSaturation',
  'RandomSharpness',
  'RandomShear',
  'RandomTranslation',
  'RandomWidth',
  'RandomZoom',
  'Solarization',
  'StochasticDepth',
];

const DROPOUT: LayerRule = {
  adapt: ({ rate }) => ({ className: 'Dropout', config: { rate: rate ?? 0 } }),
  keep: ['rate'],
  harmless: ['noise_shape', 'seed', 'rng_type', 'data_format', 'stddev'],
};

const SAME: LayerRule = {};

/** InceptionResNetV2's: x + scale · y. */
const CUSTOM_SCALE: LayerRule = {
  perCall: (_call, context) => {
    const { scale } = context.layer.config;
    if (typeof scale !== 'number') throw unsupported(context.layer, 'it has no scale');
    return { className: 'Add', config: {}, inputs: [{ index: 0 }, { index: 1, factor: scale }] };
  },
};

const RECURRENT: LayerRule = {
  keep: [
    'units',
    'activation',
    'recurrent_activation',
    'use_bias',
    'return_sequences',
    'go_backwards',
  ],
  fixed: {
    return_state: [false],
    stateful: [false],
    time_major: [false],
    // tfjs has only the older GRU.
    reset_after: [false],
  },
  harmless: [
    'dropout',
    'recurrent_dropout',
    'implementation',
    'unroll',
    'unit_forget_bias',
    'use_cudnn',
    'seed',
    // No layer that can be converted makes a mask.
    'zero_output_for_mask',
  ],
  zeroed: ['kernel', 'recurrent', 'bias'],
};

export const LAYER_RULES: Readonly<Record<string, LayerRule>> = {
  Conv1D: CONVOLUTION,
  Conv2D: { ...CONVOLUTION, keep: [...CONVOLUTION.keep!, 'groups'], fixed: SPATIAL },
  Conv2DTranspose: {
    ...CONVOLUTION,
    keep: ['filters', 'kernel_size', 'strides', 'padding', 'activation', 'use_bias'],
    fixed: { ...CONVOLUTION.fixed, dilation_rate: [1], output_padding: [null] },
  },
  DepthwiseConv2D: {
    keep: [
      'kernel_size',
      'strides',
      'padding',
      'dilation_rate',
      'depth_multiplier',
      'activation',
      'use_bias',
    ],
    fixed: { ...SPATIAL, ...UNGROUPED },
    zeroed: ['depthwise', 'bias'],
  },
  SeparableConv2D: {
    ...CONVOLUTION,
    keep: [...CONVOLUTION.keep!, 'depth_multiplier'],
    zeroed: ['depthwise', 'pointwise', 'bias'],
  },
  Dense: { keep: ['units', 'activation', 'use_bias'], zeroed: ['kernel', 'bias'] },
  Activation: { keep: ['activation'] },
  BatchNormalization: {
    keep: ['axis', 'epsilon', 'center', 'scale', 'momentum'],
    fixed: { renorm: [false, null], virtual_batch_size: [null] },
    harmless: ['fused', 'synchronized', 'adjustment', 'renorm_clipping', 'renorm_momentum'],
    zeroed: ['beta', 'gamma', 'moving_mean', 'moving_variance'],
    adapt: singleAxis,
  },
  LayerNormalization: {
    keep: ['axis', 'epsilon', 'center', 'scale'],
    fixed: { rms_scaling: [false] },
    zeroed: ['beta', 'gamma'],
  },
  Normalization: {
    keep: ['axis', 'mean', 'variance'],
    fixed: { invert: [false] },
    adapt: normalization,
    storedWeights: 2,
  },
  MaxPooling1D: POOLING,
  MaxPooling2D: POOLING,
  AveragePooling1D: POOLING,
  AveragePooling2D: POOLING,
  GlobalAveragePooling1D: globalPooling(1),
  GlobalAveragePooling2D: globalPooling(2),
  GlobalMaxPooling1D: globalPooling(1),
  GlobalMaxPooling2D: globalPooling(2),
  ZeroPadding2D: { keep: ['padding'], fixed: CHANNELS_LAST },
  Cropping2D: { keep: ['cropping'], fixed: CHANNELS_LAST },
  UpSampling2D: {
    keep: ['size', 'interpolation'],
    fixed: { ...CHANNELS_LAST, interpolation: ['nearest', 'bilinear'] },
  },
  Resizing: {
    image: true,
    keep: ['height', 'width', 'interpolation'],
    fixed: {
      ...CHANNELS_LAST,
      interpolation: ['bilinear', 'nearest'],
      crop_to_aspect_ratio: [false],
      pad_to_aspect_ratio: [false],
      antialias: [false],
    },
    harmless: ['fill_mode', 'fill_value'],
  },
  CenterCrop: { image: true, keep: ['height', 'width'], fixed: CHANNELS_LAST },
  Flatten: { fixed: CHANNELS_LAST },
  Reshape: { keep: ['target_shape'] },
  Permute: { keep: ['dims'] },
  RepeatVector: { keep: ['n'] },
  Add: SAME,
  Multiply: SAME,
  Average: SAME,
  Maximum: SAME,
  Minimum: SAME,
  Concatenate: { keep: ['axis'] },
  Dot: { keep: ['axes', 'normalize'] },
  ReLU: {
    keep: ['max_value', 'negative_slope'],
    fixed: { threshold: [0, null] },
    adapt: rectifier,
  },
  LeakyReLU: { keep: ['alpha', 'negative_slope'], adapt: leakyRectifier },
  PReLU: { keep: ['shared_axes'], zeroed: ['alpha'] },
  ELU: { fixed: { alpha: [1] } },
  ThresholdedReLU: { keep: ['theta'] },
  Softmax: { keep: ['axis'] },
  Rescaling: { keep: ['scale', 'offset'], adapt: rescaling },
  LayerScale: { harmless: ['init_values', 'projection_dim'], adapt: layerScale },
  CustomScaleLayer: CUSTOM_SCALE,
  'Custom>CustomScaleLayer': CUSTOM_SCALE,
  Dropout: DROPOUT,
  SpatialDropout1D: DROPOUT,
  SpatialDropout2D: DROPOUT,
  AlphaDropout: DROPOUT,
  GaussianDropout: DROPOUT,
  GaussianNoise: { ...IDENTITY, harmless: ['stddev', 'seed'] },
  SimpleRNN: RECURRENT,
  LSTM: { ...RECURRENT, adapt: withoutForgetBias },
  GRU: RECURRENT,
  TimeDistributed: { inner: 'layer' },
  Bidirectional: {
    inner: 'layer',
    keep: ['merge_mode'],
    harmless: ['backward_layer'],
    adapt: sameBothWays,
  },
  ActivityRegularization: { ...IDENTITY, harmless: ['l1', 'l2'] },
  Identity: IDENTITY,
  ...Object.fromEntries(
    TRAINING_ONLY.map((name) => [name, { ...IDENTITY, image: true, harmless: ['*'] }]),
  ),
};
