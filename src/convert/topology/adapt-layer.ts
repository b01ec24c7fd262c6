/** What a rule's table cannot say: fields of Keras layers that mean something else in tfjs. */
import { show } from '../../json.ts';
import { isObject, parseKerasObject } from '../keras-json.ts';
import type { RuleContext } from './layer-rule.ts';
import { unsupported } from './unsupported.ts';

/** Keras 2 writes BatchNormalization's axis as a list of one. */
export function singleAxis(config: Record<string, unknown>, { layer }: RuleContext): undefined {
  const axis =
    Array.isArray(config.axis) && config.axis.length === 1 ? config.axis[0] : config.axis;
  if (axis !== undefined && !Number.isInteger(axis)) {
    throw unsupported(layer, `axis ${show(config.axis)} is more than one`);
  }
  config.axis = axis ?? -1;
}

/**
 * (x − mean) / max(√variance, 1e-7). What it learnt by `adapt` is in weights: a batch normalisation without scale and
 * centre. What it was given as numbers: a rescaling.
 */
export function normalization(config: Record<string, unknown>, context: RuleContext) {
  if (config.mean != null) return fixedNormalization(config, context);
  singleAxis(config, context);
  const zeros = { class_name: 'Zeros', config: {} };
  return {
    className: 'BatchNormalization',
    config: {
      axis: config.axis,
      epsilon: 1e-14,
      center: false,
      scale: false,
      moving_mean_initializer: zeros,
      moving_variance_initializer: zeros,
    },
  };
}

function fixedNormalization(
  { mean, variance, axis }: Record<string, unknown>,
  { layer }: RuleContext,
) {
  const [means, variances] = [[numbersIn(mean)].flat(), [numbersIn(variance)].flat()];
  const count = Math.max(means.length, variances.length);
  if (count > 1 && ![-1, 3].includes(Number(axis))) {
    throw unsupported(layer, `its mean is not that of the channels: axis ${show(axis)}`);
  }
  const at = (values: (number | undefined)[], i: number) => values[i] ?? values[0] ?? Number.NaN;
  const scale = Array.from({ length: count }, (_, i) => {
    return 1 / Math.max(Math.sqrt(at(variances, i)), 1e-7);
  });
  const offset = scale.map((factor, i) => -at(means, i) * factor);
  if (![...scale, ...offset].every(Number.isFinite)) {
    throw unsupported(layer, `its mean ${show(mean)} or variance ${show(variance)} is no number`);
  }
  return { className: 'Rescaling', config: { scale, offset } };
}

/** One number, or one for each channel: Keras writes the latter with axes of length 1 before it, or as numpy's. */
export function numbersIn(value: unknown): number | number[] | undefined {
  const plain = isObject(value) && isObject(value.config) ? value.config.value : value;
  if (typeof plain === 'number') return plain;
  const isChannels = (list: unknown): list is number[] =>
    Array.isArray(list) && list.length > 0 && list.every((n) => typeof n === 'number');
  let inner: unknown = plain;
  while (Array.isArray(inner) && inner.length === 1 && Array.isArray(inner[0])) [inner] = inner;
  if (!isChannels(inner)) return undefined;
  return inner.length === 1 ? inner[0] : inner;
}

/** tfjs runs one layer in both directions; Keras can use another one for the backward direction. */
export function sameBothWays(_config: Record<string, unknown>, { layer }: RuleContext): undefined {
  const { layer: ahead, backward_layer: back } = layer.config;
  if (back === null || back === undefined) return;
  const [one, other] = [wrapped(ahead), wrapped(back)];
  if (one.text !== other.text || one.isBackwards === other.isBackwards) {
    throw unsupported(layer, 'its backward_layer is set up in another way than its layer');
  }
}

/** What a wrapped layer is, but for its name and its direction. */
function wrapped(value: unknown): { text: string; isBackwards: boolean } {
  const { class_name, config } = parseKerasObject(value, 'a wrapped layer');
  const rest = Object.entries(config).filter(
    ([field]) => !/^(name|dtype|go_backwards)$|_(initializer|regularizer|constraint)$/.test(field),
  );
  return { text: JSON.stringify([class_name, rest]), isBackwards: config.go_backwards === true };
}

/** The bias comes from the file: tfjs need not start it at 1. */
export function withoutForgetBias(config: Record<string, unknown>): undefined {
  config.unit_forget_bias = false;
}

export function rectifier(config: Record<string, unknown>, { layer }: RuleContext) {
  const slope = config.negative_slope ?? 0;
  delete config.negative_slope;
  if (slope === 0) return undefined;
  if (config.max_value != null) {
    throw unsupported(layer, 'tfjs has no rectifier with both negative_slope and max_value');
  }
  return { className: 'LeakyReLU', config: { alpha: slope } };
}

/** Keras 3 calls it negative_slope. */
export function leakyRectifier(config: Record<string, unknown>): undefined {
  config.alpha = config.negative_slope ?? config.alpha ?? 0.3;
  delete config.negative_slope;
}

export function rescaling(config: Record<string, unknown>, { layer }: RuleContext): undefined {
  config.offset ??= 0;
  for (const field of ['scale', 'offset']) {
    const numbers = numbersIn(config[field]);
    if (numbers === undefined) {
      throw unsupported(
        layer,
        `${field} ${show(config[field])} is neither one number nor one for each channel`,
      );
    }
    config[field] = numbers;
  }
}

/** ConvNeXt's own layer; another class of that name is the model author's. */
export function layerScale(_config: Record<string, unknown>, { layer }: RuleContext): undefined {
  if (typeof layer.config.projection_dim !== 'number') {
    throw unsupported(layer, 'it is not the LayerScale of keras.applications');
  }
}
