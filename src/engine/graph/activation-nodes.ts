import type { GraphBuilder, Value } from './graph-builder.ts';
import type { LayerContext } from './layer-context.ts';
import { UnsupportedGraph } from './unsupported-graph.ts';

/**
 * An activation by Keras' name.
 * @param max upper end of a rectifier.
 * @throws UnsupportedGraph
 */
export function addActivation(
  { builder, name, row }: LayerContext,
  value: Value,
  activation: unknown,
  max?: number,
): Value {
  switch (activation ?? 'linear') {
    case 'linear':
      return value;
    case 'relu':
      return addRectifier(builder, name, value, max);
    case 'relu6':
      return addRectifier(builder, name, value, 6);
    case 'softmax':
      // Exponentials need float32 and unscaled values.
      return builder.compute('Softmax', `${name}/softmax`, [builder.toFloat(value)], {}, true);
    default:
      throw new UnsupportedGraph(
        `the layer ${row.name} has the activation ${JSON.stringify(activation)}`,
      );
  }
}

function addRectifier(builder: GraphBuilder, name: string, value: Value, max?: number): Value {
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
