/**
 * Arithmetic and functions written between layers (`x / 127.5 - 1`, `tf.nn.relu(x)`), which Keras 2 keeps as
 * TFOpLambda layers and Keras 3 as operation nodes. With one number, or one for each channel, it is a Rescaling; with two tensors, a
 * merging layer; a function is an Activation.
 */
import { show } from '../../json.ts';
import { numbersIn } from './adapt-layer.ts';
import type { FlatArgument, FlatCall } from './flatten-graph.ts';
import type { CallForm, LayerRule, RuleContext } from './layer-rule.ts';
import { unsupported } from './unsupported.ts';

type Operation = 'add' | 'subtract' | 'multiply' | 'divide' | 'identity';

const KERAS_2: Readonly<Record<string, Operation>> = {
  'math.add': 'add',
  '__operators__.add': 'add',
  'math.subtract': 'subtract',
  'math.multiply': 'multiply',
  'math.truediv': 'divide',
  'math.divide': 'divide',
  identity: 'identity',
};

const KERAS_3: Readonly<Record<string, Operation>> = {
  Add: 'add',
  Subtract: 'subtract',
  Multiply: 'multiply',
  TrueDivide: 'divide',
  Divide: 'divide',
};

/** Functions of one tensor, by the last part of their name in TensorFlow and in Keras 3, in small letters. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  relu: 'relu',
  relu6: 'relu6',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  silu: 'swish',
  swish: 'swish',
  gelu: 'gelu',
  elu: 'elu',
  selu: 'selu',
  softplus: 'softplus',
  softsign: 'softsign',
  softmax: 'softmax',
  log_softmax: 'log_softmax',
  logsoftmax: 'log_softmax',
  exp: 'exponential',
  leaky_relu: 'leaky_relu',
  leakyrelu: 'leaky_relu',
  hardsigmoid: 'hard_sigmoid_keras3',
  hardsilu: 'hard_silu',
};

/** Arguments at which a function is the one of the list; TensorFlow's leaky_relu has its 0.2 unsaid. */
const USUAL: Readonly<Record<string, unknown>> = {
  approximate: false,
  axis: -1,
  alpha: 0.2,
  negative_slope: 0.2,
};

/** Keras' own layer of two inputs; tfjs has none. */
export const SUBTRACT_LAYER: LayerRule = {
  perCall: (call, context) => convert('subtract', call, context),
};

export const OPERATION: LayerRule = {
  perCall(call, context) {
    const { className, config } = context.layer;
    const known = className === 'TFOpLambda' ? KERAS_2 : KERAS_3;
    const name = className === 'TFOpLambda' ? String(config.function) : className;
    const type = plainValue(call.kwargs.dtype) ?? config.dtype ?? 'float32';
    if (name.toLowerCase() === 'cast' && type === 'float32') {
      return convert('identity', call, context);
    }
    const lastPart = name.slice(name.lastIndexOf('.') + 1).toLowerCase();
    if (Object.hasOwn(FUNCTIONS, lastPart)) return applied(FUNCTIONS[lastPart], call, context);
    if (!Object.hasOwn(known, name)) {
      throw unsupported(
        context.layer,
        `the operation ${name} has no layer in tfjs`,
        'Where it is part of preprocess_input, leave that out of the model and give --preprocessing instead.',
      );
    }
    return convert(known[name], call, context);
  },
};

function convert(operation: Operation, call: FlatCall, context: RuleContext): CallForm {
  const [x, y] = operands(call);
  if (x === undefined) throw unsupported(context.layer, 'it has no input');
  if (operation === 'identity') {
    const config = { activation: 'linear' };
    return { className: 'Activation', config, inputs: [{ index: x.key }] };
  }
  if (y === undefined) throw unsupported(context.layer, 'it has no second operand');
  const [a, b] = [plainValue(x.arg), plainValue(y.arg)];
  if (a === undefined && b === undefined) return merge(operation, x.key, y.key, context);
  const [key, value] = a === undefined ? [x.key, b] : [y.key, a];
  const numbers = numbersIn(value);
  if (numbers === undefined || ![numbers].flat().every(Number.isFinite)) {
    throw unsupported(
      context.layer,
      `its operand ${show(value)} is neither one number nor one for each channel`,
    );
  }
  if (operation === 'add') return rescaling(key, 1, numbers);
  if (operation === 'multiply') return rescaling(key, numbers, 0);
  if (operation === 'subtract') {
    return a === undefined
      ? rescaling(
          key,
          1,
          each(numbers, (n) => -n),
        )
      : rescaling(key, -1, numbers);
  }
  if (a !== undefined)
    throw unsupported(context.layer, 'tfjs has no layer for a number divided by x');
  return rescaling(
    key,
    each(numbers, (n) => 1 / n),
    0,
  );
}

function each(numbers: number | number[], change: (n: number) => number): number | number[] {
  return Array.isArray(numbers) ? numbers.map(change) : change(numbers);
}

/** @throws ModelError where an argument makes it another function than that of its name */
function applied(activation: string, call: FlatCall, context: RuleContext): CallForm {
  const { className, config } = context.layer;
  const given = className === 'TFOpLambda' ? [] : Object.entries(config);
  const named = Object.entries(call.kwargs).filter(([key]) => key !== 'x' && key !== 'features');
  const all = new Map([...given, ...named.map(([key, arg]) => [key, plainValue(arg)] as const)]);
  // Keras 3 says alpha for elu only.
  const isTanhGelu = activation === 'gelu' && all.get('approximate') === true;
  for (const [key, value] of all) {
    const isOwn = key === 'name' || (key === 'approximate' && isTanhGelu);
    const usual = activation === 'elu' && key === 'alpha' ? 1 : USUAL[key];
    if (isOwn || value === null || value === undefined) continue;
    if (value !== usual) {
      throw unsupported(context.layer, `it is called with ${key}=${show(value)}`);
    }
  }
  if (call.args.length > 1) throw unsupported(context.layer, 'it is called with more than x');
  const [first] = operands(call);
  const index = first?.key ?? 'features';
  return {
    className: 'Activation',
    config: { activation: isTanhGelu ? 'gelu_new' : activation },
    inputs: [{ index }],
  };
}

/** x and y, in either place: Keras 2 puts the second into the keyword arguments. */
function operands(call: FlatCall): { key: number | string; arg: FlatArgument }[] {
  const positional = call.args.map((arg, key) => ({ key, arg }));
  const named = ['x', 'y'].flatMap((key) => {
    const arg = call.kwargs[key];
    return arg === undefined ? [] : [{ key, arg }];
  });
  return [...positional, ...named];
}

function merge(
  operation: Operation,
  first: number | string,
  second: number | string,
  { layer }: RuleContext,
): CallForm {
  if (operation === 'divide')
    throw unsupported(layer, 'tfjs has no layer that divides two tensors');
  return {
    className: operation === 'multiply' ? 'Multiply' : 'Add',
    config: {},
    inputs: [{ index: first }, { index: second, ...(operation === 'subtract' && { factor: -1 }) }],
  };
}

function rescaling(
  index: number | string,
  scale: number | number[],
  offset: number | number[],
): CallForm {
  return { className: 'Rescaling', config: { scale, offset }, inputs: [{ index }] };
}

function plainValue(arg: FlatArgument | undefined): unknown {
  return arg !== undefined && 'value' in arg ? arg.value : undefined;
}
