import { ModelError } from '../../errors.ts';
import type { FlatLayer, FlatRef } from './flatten-graph.ts';

/** What to do about any layer that cannot be converted: a layer before it is enough, where there is one. */
function cutBefore(layer: FlatLayer): string {
  const before = layer.calls.flatMap(({ args }) => args).find((arg) => 'ref' in arg);
  const name = before && 'ref' in before && !isInput(before.ref) ? before.ref.layer.name : '';
  return name === ''
    ? 'No layer is before it: build the model again in Keras without it, load the weights and convert that file.'
    : `Convert the model up to the layer before it: --until ${name}, or another one that does not need it.`;
}

function isInput({ layer }: FlatRef): boolean {
  return layer.className === 'InputLayer';
}

/** An error that names the layer, its class, what is wrong with it and what to do. */
export function unsupported(layer: FlatLayer, problem: string, fix?: string): ModelError {
  const inner = layer.names.length > 1 ? ` (in ${layer.names.slice(0, -1).join('/')})` : '';
  return new ModelError(
    `Expected a layer that can be converted but found ${layer.className} "${layer.name}"${inner}: ${problem}.`,
    {
      fix: fix === undefined ? cutBefore(layer) : `${fix} ${cutBefore(layer)}`,
    },
  );
}
