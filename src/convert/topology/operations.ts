/**
 * Arithmetic written between layers (`x / 127.5 - 1`), which Keras 2 keeps as TFOpLambda layers and
 * Keras 3 as operation nodes. With one number it is a Rescaling; with two tensors, a merging layer.
 */
import { show } from '../../json.ts';

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

/** Keras' own layer of two inputs; tfjs has none. */
export const SUBTRACT_LAYER: LayerRule = {
  perCall: (call, context) => convert('subtract', call, context),
};

export const OPERATION: LayerRule = {
  perCall(call, context) {
    const { className, config } = context.layer;
    const known = className === 'TFOpLambda' ? KERAS_2 : KERAS_3;
    const name = className === 'TFOpLambda' ? String(config.function) : className;
    if (name === 'cast' && (plainValue(call.kwargs.dtype) ?? 'float32') === 'float32') {
      return convert('identity', call, context);
    }
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
  if (operation === 'identity') return rescaling(x.key, 1, 0);
  if (y === undefined) throw unsupported(context.layer, 'it has no second operand');
  const [a, b] = [plainValue(x.arg), plainValue(y.arg)];
  if (a === undefined && b === undefined) return merge(operation, x.key, y.key, context);
  const [key, number] = a === undefined ? [x.key, b] : [y.key, a];
  if (typeof number !== 'number' || !Number.isFinite(number)) {
    throw unsupported(context.layer, `its operand ${show(number)} is not one number`);
  }
  if (operation === 'add') return rescaling(key, 1, number);
  if (operation === 'multiply') return rescaling(key, number, 0);
  if (operation === 'subtract') {
    return a === undefined ? rescaling(key, 1, -number) : rescaling(key, -1, number);
  }
  if (a !== undefined)
    throw unsupported(context.layer, 'tfjs has no layer for a number divided by x');
  return rescaling(key, 1 / number, 0);
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
    inputs: [{ index: first }, { index: second, isNegated: operation === 'subtract' }],
  };
}

function rescaling(index: number | string, scale: number, offset: number): CallForm {
  return { className: 'Rescaling', config: { scale, offset }, inputs: [{ index }] };
}

function plainValue(arg: FlatArgument | undefined): unknown {
  return arg !== undefined && 'value' in arg ? arg.value : undefined;
}
