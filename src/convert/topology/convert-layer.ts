import { show } from '../../json.ts';
import { isObject, type JsonObject, parseKerasObject } from '../keras-json.ts';
import { convertActivation } from './activations.ts';
import type { FlatArgument, FlatLayer } from './flatten-graph.ts';
import type { LayerRule, RuleContext, TfjsLayer } from './layer-rule.ts';
import { LAYER_RULES } from './layer-rules.ts';
import { OPERATION, SUBTRACT_LAYER } from './operations.ts';
import { isOperation } from './parse-graph.ts';
import { unsupported } from './unsupported.ts';

/** Fields of every layer that do not change what it computes at inference. */
const GENERIC = new Set([
  'name',
  'trainable',
  'dtype',
  'autocast',
  'batch_input_shape',
  'batch_shape',
  'batch_size',
  'input_shape',
  'input_dim',
  'supports_masking',
]);
const TRAINING_ONLY = /_(initializer|regularizer|constraint)$/;

/** Half precision models are converted too: the same weights, calculated in float32. */
const FLOAT_POLICIES = new Set([
  'float32',
  'mixed_float16',
  'mixed_bfloat16',
  'float16',
  'bfloat16',
  'float64',
]);

/** @throws ModelError for a class without a rule, naming what to do */
export function findRule({ layer }: RuleContext): LayerRule {
  const { className, module, config } = layer;
  // A Cast has a dtype, as only layers have else.
  if (/^(TFOpLambda|Cast)$/.test(className) || isOperation(module, config)) return OPERATION;
  if (className === 'Lambda') {
    throw unsupported(
      layer,
      'it holds Python code',
      'Replace it by layers, for instance Rescaling(1/255).',
    );
  }
  if (!/^(keras|tf_keras|tensorflow)?(\.|$)/.test(module)) {
    throw unsupported(layer, `its class is the model author's own (module ${module})`);
  }
  if (className === 'Subtract') return SUBTRACT_LAYER;
  if (Object.hasOwn(LAYER_RULES, className)) return LAYER_RULES[className];
  throw unsupported(layer, 'tfjs has no such layer, or computes something else');
}

/**
 * Applies a rule to a layer's configuration.
 * @throws ModelError for an argument that tfjs would ignore or reads in another way
 */
export function convertLayer(rule: LayerRule, context: RuleContext): TfjsLayer {
  const { layer } = context;
  const { keep = [], fixed = {}, harmless = [], zeroed = [], inner } = rule;
  checkDtype(layer);
  const config: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(layer.config)) {
    if (GENERIC.has(field) || TRAINING_ONLY.test(field) || field === inner) continue;
    const allowed = Object.hasOwn(fixed, field) ? fixed[field] : undefined;
    if (allowed && !(Array.isArray(value) ? value : [value]).every((v) => allowed.includes(v))) {
      throw unsupported(layer, `its ${field} is ${show(value)}, and tfjs has only ${allowed[0]}`);
    }
    if (keep.includes(field)) config[field] = value;
    else if (!allowed && !harmless.includes(field) && !harmless.includes('*') && !isUnset(value)) {
      throw unsupported(layer, `its argument ${field}=${show(value)} has no counterpart in tfjs`);
    }
  }
  for (const field of ['activation', 'recurrent_activation']) {
    if (field in config || (field === 'activation' && keep.includes(field))) {
      config[field] = convertActivation(config[field], context);
    }
  }
  if (inner !== undefined) config[inner] = convertWrapped(layer.config[inner], context);
  // Else tfjs draws random numbers for millions of weights, which the file's values then replace.
  for (const weight of zeroed) {
    config[`${weight}_initializer`] = { class_name: 'Zeros', config: {} };
  }
  const adapted = rule.adapt?.(config, context);
  return adapted ?? { className: rule.className ?? layer.className, config };
}

function convertWrapped(value: unknown, context: RuleContext): Record<string, unknown> {
  const { class_name, config, module } = parseKerasObject(
    value,
    `the layer in "${context.layer.name}"`,
  );
  const layer = { ...context.layer, className: class_name, config, module };
  const rule = findRule({ ...context, layer });
  if (rule.perCall || rule.followedBy || rule.storedWeights !== undefined) {
    throw unsupported(layer, 'tfjs cannot wrap it');
  }
  const converted = convertLayer(rule, { ...context, layer });
  return {
    class_name: converted.className,
    config: { name: config.name, trainable: true, dtype: 'float32', ...converted.config },
  };
}

/** @throws ModelError when a call passes something besides tensors, e.g. training=True */
export function checkCalls({ image = false }: LayerRule, { layer, isKeras3 }: RuleContext): void {
  for (const { args, kwargs } of layer.calls) {
    // tfjs would wait for its output for ever.
    if (!args.some((arg) => 'ref' in arg)) throw unsupported(layer, 'it is called on no tensor');
    for (const arg of args) {
      if ('value' in arg && !isUnset(arg.value)) {
        throw unsupported(layer, `it is called with ${show(arg.value)}`);
      }
    }
    for (const [name, arg] of Object.entries(kwargs)) {
      // The default of these layers in Keras 3, written into every file; `predict` overrides it.
      if (image && isKeras3 && name === 'training') continue;
      if (!isHarmless(arg)) throw unsupported(layer, `it is called with ${name}=${showArg(arg)}`);
    }
  }
}

/** True where the layer was to compute in another precision than float32. */
export function isReducedPrecision(config: JsonObject): boolean {
  const name = dtypeName(config.dtype);
  return name !== undefined && name !== 'float32';
}

function checkDtype(layer: FlatLayer): void {
  const name = dtypeName(layer.config.dtype);
  if (name !== undefined && !FLOAT_POLICIES.has(name)) {
    throw unsupported(layer, `its dtype is ${name}`, 'Save the model without quantization.');
  }
}

/** Keras 3 writes { class_name: "DTypePolicy", config: { name } }, Keras 2 the name or a policy. */
function dtypeName(dtype: unknown): string | undefined {
  if (typeof dtype === 'string') return dtype;
  if (!isObject(dtype) || !isObject(dtype.config)) return undefined;
  const { name } = dtype.config;
  return typeof name === 'string' ? name : show(dtype.config);
}

function isHarmless(arg: FlatArgument): boolean {
  return 'value' in arg && isUnset(arg.value);
}

function showArg(arg: FlatArgument): string {
  return 'value' in arg ? show(arg.value) : 'a tensor';
}

function isUnset(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === false ||
    (Array.isArray(value) && value.length === 0)
  );
}
