import { closestNames } from '../closest-names.ts';
import { OptionError } from '../errors.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { listLayers, outputLayerNames } from '../model/topology-layers.ts';
import type { LayerRequest } from './engine.ts';

/** A request whose layer is known to be in the model. */
export interface ResolvedLayer extends LayerRequest {
  readonly layer: string;
}

const LAST_LAYER: LayerRequest = { layer: undefined, pool: 'none' };

/**
 * Gives the default layer its name (the model's last one) and checks the others; no request at all
 * asks for the default layer.
 * @throws OptionError listing similar names when the model has no such layer.
 */
export function resolveLayers(
  folder: ModelFolder,
  requests: readonly LayerRequest[],
): ResolvedLayer[] {
  const names = new Set(listLayers(folder.topology).map(({ name }) => name));
  const [last] = outputLayerNames(folder.topology);
  const wanted = requests.length > 0 ? requests : [LAST_LAYER];
  return wanted.map(({ layer = last, pool }) => {
    if (!names.has(layer)) throw unknownLayer(layer, [...names], folder.dir);
    return { layer, pool };
  });
}

function unknownLayer(layer: string, names: readonly string[], dir: string): OptionError {
  const near = closestNames(layer, names);
  const list = near.length > 0 ? `Did you mean ${near.join(', ')}? ` : '';
  return new OptionError(`Expected a layer of the model for --layer but found "${layer}".`, {
    fix: `${list}img2features model info ${dir} lists all ${names.length}.`,
  });
}
