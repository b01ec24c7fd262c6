/** Activations and rectifiers as TensorFlow nodes. */
import type { GraphBuilder, Value } from './graph-builder.ts';
import type { LayerContext } from './layer-context.ts';
import { fuseActivation } from './separable-nodes.ts';
import { UnsupportedGraph } from './unsupported-graph.ts';

/** Adds one node and returns its name; operands that are numbers become constants. */
type Step = (op: string, ...operands: (string | number)[]) => string;

/** By Keras' name: what they compute is not proportional to their input, so they take it unscaled, in float32. */
const FUNCTIONS: Readonly<Record<string, (x: string, step: Step) => string>> = {
  // Exponentials need float32, too.
  softmax: (x, step) => step('Softmax', x),
  log_softmax: (x, step) => step('LogSoftmax', x),
  sigmoid: (x, step) => step('Sigmoid', x),
  tanh: (x, step) => step('Tanh', x),
  elu: (x, step) => step('Elu', x),
  selu: (x, step) => step('Selu', x),
  softplus: (x, step) => step('Softplus', x),
  softsign: (x, step) => step('Softsign', x),
  exponential: (x, step) => step('Exp', x),
  swish: (x, step) => step('Mul', x, step('Sigmoid', x)),
  mish: (x, step) => step('Mul', x, step('Tanh', step('Softplus', x))),
  // In the order in which TensorFlow finds and fuses it.
  gelu: (x, step) =>
    step('Mul', step('Mul', 0.5, x), step('AddV2', 1, step('Erf', step('Mul', x, Math.SQRT1_2)))),
  gelu_new: (x, step) => {
    const cubic = step('AddV2', x, step('Mul', 0.044715, step('Mul', x, step('Square', x))));
    const tanh = step('Tanh', step('Mul', Math.sqrt(2 / Math.PI), cubic));
    return step('Mul', step('Mul', 0.5, x), step('AddV2', 1, tanh));
  },
  hard_sigmoid: (x, step) =>
    step('Minimum', 1, step('Relu', step('AddV2', 0.5, step('Mul', 0.2, x)))),
  hard_sigmoid_keras3: hardSigmoid,
  hard_silu: (x, step) => step('Mul', x, hardSigmoid(x, step)),
};

/** As Keras 3 defines it; that of Keras 2 is 0.2 x + 0.5, cut to [0, 1]. */
function hardSigmoid(x: string, step: Step): string {
  return step('Mul', step('Relu6', step('AddV2', x, 3)), 1 / 6);
}

/**
 * An activation by Keras' name.
 * @throws UnsupportedGraph
 */
export function addActivation(layer: LayerContext, value: Value, activation: unknown): Value {
  const { builder, name, row } = layer;
  const wanted = activation ?? 'linear';
  if (wanted === 'linear') return value;
  const fused = fuseActivation(layer, value, wanted);
  if (fused !== undefined) return fused;
  if (wanted === 'relu') return addRectifier(layer, value);
  if (wanted === 'relu6') return addRectifier(layer, value, 6);
  if (wanted === 'leaky_relu') return addLeaky(layer, value, 0.2);
  if (typeof wanted !== 'string' || !Object.hasOwn(FUNCTIONS, wanted)) {
    throw new UnsupportedGraph(
      `the layer ${row.name} has the activation ${JSON.stringify(activation)}`,
    );
  }
  const step = steps(builder, `${name}/${wanted}`);
  return { name: FUNCTIONS[wanted](builder.toFloat(value), step), isFloat: true };
}

function steps(builder: GraphBuilder, prefix: string): Step {
  let count = 0;
  return (op, ...operands) => {
    const inputs = operands.map((operand) =>
      typeof operand === 'string' ? operand : builder.floats(`${prefix}_${count++}`, [], [operand]),
    );
    return builder.compute(op, `${prefix}_${count++}`, inputs, {}, true).name;
  };
}

/** @param max upper end, undefined = none. */
export function addRectifier({ builder, name }: LayerContext, value: Value, max?: number): Value {
  const { name: input, isFloat } = value;
  if (max === undefined) return builder.compute('Relu', `${name}/relu`, [input], {}, isFloat);
  const isScaled = !isFloat && builder.scale !== 1;
  if (max === 6 && !isScaled)
    return builder.compute('Relu6', `${name}/relu6`, [input], {}, isFloat);
  const positive = builder.compute('Relu', `${name}/relu`, [input], {}, isFloat);
  const limit = { name: builder.floats(`${name}/max`, [], [max]), isFloat: true };
  const most = isFloat ? limit.name : builder.toCompute(limit);
  return builder.compute('Minimum', `${name}/limited`, [positive.name, most], {}, isFloat);
}

export function leakyRectifier(layer: LayerContext): Value {
  const { alpha = 0.3 } = layer.row.config as { alpha?: number };
  return addLeaky(layer, layer.inputs[0], alpha);
}

function addLeaky({ builder, name }: LayerContext, value: Value, slope: number): Value {
  const { name: input, isFloat } = value;
  const attributes = { alpha: { float: slope } };
  return builder.compute('LeakyRelu', `${name}/leaky`, [input], attributes, isFloat);
}

/** x where x > 0, else alpha · x, with an alpha for each channel or place. */
export function parametricRectifier({
  builder,
  name,
  inputs,
  inputShapes,
  row,
}: LayerContext): Value {
  const shared = (row.config.shared_axes ?? []) as readonly number[];
  const shape = inputShapes[0].map((side, i) => (shared.includes(i + 1) ? 1 : side!));
  const alpha = builder.weight(`${name}/alpha`, shape, {
    kind: 'stored',
    name: `${row.name}/alpha`,
  });
  const op = (kind: string, node: string, ...operands: string[]) =>
    builder.compute(kind, `${name}/${node}`, operands).name;
  const x = builder.toCompute(inputs[0]);
  const below = op('Relu', 'below', op('Neg', 'negated', x));
  const positive = op('Relu', 'positive', x);
  return builder.compute('Sub', `${name}/sum`, [positive, op('Mul', 'weighted', below, alpha)]);
}
