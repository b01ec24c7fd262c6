import { ModelError } from '../../errors.ts';
import type { FlatLayer } from './flatten-graph.ts';

/** What to do about any layer that cannot be converted. */
const CUT_THE_MODEL =
  'Save the model without it, for instance keras.Model(model.input, model.get_layer("<a layer before it>").output), and convert that file.';

/** An error that names the layer, its class, what is wrong with it and what to do. */
export function unsupported(layer: FlatLayer, problem: string, fix?: string): ModelError {
  const inner = layer.names.length > 1 ? ` (in ${layer.names.slice(0, -1).join('/')})` : '';
  return new ModelError(
    `Expected a layer that can be converted but found ${layer.className} "${layer.name}"${inner}: ${problem}.`,
    {
      fix: fix === undefined ? CUT_THE_MODEL : `${fix} ${CUT_THE_MODEL.replace('Save', 'Or save')}`,
    },
  );
}
