import { closestNames } from '../closest-names.ts';
import { OptionError } from '../errors.ts';
import { isModel } from '../model/check-topology.ts';
import { convertFirst } from '../model/foreign-model.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { listLayers, modelConfigOf, outputLayerNames } from '../model/topology-layers.ts';
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
  const { topology, metadata, dir } = folder;
  const names = new Set(listLayers(topology).map(({ name }) => name));
  const nested = new Map(Object.entries(metadata.nested ?? {}));
  const [last] = outputLayerNames(topology);
  const wanted = requests.length > 0 ? requests : [LAST_LAYER];
  return wanted.map(({ layer = last, pool }) => {
    if (names.has(layer)) return { layer, pool };
    const output = nested.get(layer);
    if (output !== undefined && names.has(output)) return { layer: output, pool };
    const isInside = listNested(topology).some((model) => hasLayer(model, layer));
    throw isInside
      ? insideModel(layer, dir)
      : unknownLayer(layer, [...names, ...nested.keys()], dir);
  });
}

/** Models inside, which only folders of other tools have. */
function listNested(topology: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  const { config } = modelConfigOf(topology);
  const layers = (Array.isArray(config) ? config : config.layers) as Record<string, unknown>[];
  return layers.filter(isModel);
}

function hasLayer(model: Readonly<Record<string, unknown>>, layer: string): boolean {
  return (
    listLayers(model).some(({ name }) => name === layer) ||
    listNested(model).some((inner) => hasLayer(inner, layer))
  );
}

function insideModel(layer: string, dir: string): OptionError {
  return new OptionError(
    `Expected a layer of the model itself for --layer but found "${layer}", which is in a model inside it.`,
    { fix: `Layers of models inside can be named in a converted model. ${convertFirst(dir)}` },
  );
}

function unknownLayer(layer: string, names: readonly string[], dir: string): OptionError {
  const near = closestNames(layer, names);
  const list = near.length > 0 ? `Did you mean ${near.join(', ')}? ` : '';
  return new OptionError(`Expected a layer of the model for --layer but found "${layer}".`, {
    fix: `${list}img2features model info ${dir} lists all ${names.length}.`,
  });
}
