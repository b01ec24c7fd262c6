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

/** (x − mean) / max(√variance, 1e-7): a batch normalisation without scale and centre. */
export function normalization(config: Record<string, unknown>, context: RuleContext) {
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

export function scalarRescaling(
  config: Record<string, unknown>,
  { layer }: RuleContext,
): undefined {
  config.offset ??= 0;
  for (const field of ['scale', 'offset']) {
    const value = config[field];
    // Keras 3 may wrap a numpy value: { class_name: "__numpy__", config: { value, dtype } }.
    const plain = isObject(value) && isObject(value.config) ? value.config.value : value;
    if (typeof plain !== 'number') {
      throw unsupported(layer, `${field} ${show(value)} is not one number`);
    }
    config[field] = plain;
  }
}
