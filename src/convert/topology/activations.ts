import { show } from '../../json.ts';
import { isObject } from '../keras-json.ts';
import type { RuleContext } from './layer-rule.ts';
import { unsupported } from './unsupported.ts';

/** Keras' name → tfjs' name, or that of runtime/tfjs-layers.ts, where both compute the same. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  linear: 'linear',
  relu: 'relu',
  relu6: 'relu6',
  elu: 'elu',
  selu: 'selu',
  sigmoid: 'sigmoid',
  softplus: 'softplus',
  softsign: 'softsign',
  tanh: 'tanh',
  softmax: 'softmax',
  swish: 'swish',
  silu: 'swish',
  gelu: 'gelu',
  mish: 'mish',
  log_softmax: 'log_softmax',
  leaky_relu: 'leaky_relu',
  exponential: 'exponential',
  hard_silu: 'hard_silu',
  hard_swish: 'hard_silu',
};

/**
 * @param value the value of a config's `activation`: a name, null, or a serialised function
 * @throws ModelError for a function that tfjs has not, or computes otherwise
 */
export function convertActivation(value: unknown, context: RuleContext): string {
  const name = activationName(value);
  const found = name === undefined ? undefined : ACTIVATIONS[name];
  if (found !== undefined && Object.hasOwn(ACTIVATIONS, name!)) return found;
  // Keras 2: clip(0.2x + 0.5, 0, 1), as tfjs. Keras 3 changed the slope to 1/6.
  if (name === 'hard_sigmoid') return context.isKeras3 ? 'hard_sigmoid_keras3' : 'hard_sigmoid';
  throw unsupported(context.layer, `its activation ${name ?? show(value)} is not one of tfjs'`);
}

/** Keras 3 writes functions as { module, class_name: "function", config: "<name>" }. */
function activationName(value: unknown): string | undefined {
  if (value === null || value === undefined) return 'linear';
  if (typeof value === 'string') return value;
  if (!isObject(value)) return undefined;
  if (value.class_name === 'function' && typeof value.config === 'string') {
    const isOwn = value.registered_name !== null && value.module !== 'builtins';
    return isOwn && !String(value.module).startsWith('keras.') ? undefined : value.config;
  }
  return undefined;
}
