import { ModelError } from '../../errors.ts';
import type { BuiltArchitecture } from '../../model/architectures/build-architecture.ts';
import { StoreKeys } from '../topology/store-key.ts';
import type { StoredLayer, StoredWeight } from './stored-layer.ts';

interface WantedLayer {
  readonly name: string;
  readonly storeKey: string;
  readonly weights: readonly string[];
}

/**
 * Gives the weights of a file without topology the names they have in a network: by the layers'
 * names, else by the group names that their classes give, else by order, as Keras itself loads them.
 * @param networks the network with and without its classifier
 * @returns "<layer>/<weight>" → stored weight, for the network whose layers the file has
 * @throws ModelError naming a layer that does not fit
 */
export function nameWeights(
  networks: readonly BuiltArchitecture[],
  stored: readonly StoredLayer[],
): Map<string, StoredWeight> {
  for (const network of networks) {
    const wanted = weightedLayers(network);
    const layers =
      matchBy(
        wanted,
        stored,
        (layer) => layer.name,
        (layer) => layer.name,
      ) ??
      matchBy(
        wanted,
        stored,
        (layer) => layer.storeKey,
        (layer) => (layer.name === undefined ? layer.storeKey : undefined),
      ) ??
      matchByOrder(wanted, stored);
    if (layers !== undefined) return collect(wanted, layers);
  }
  throw noMatch(networks, stored);
}

function weightedLayers(network: BuiltArchitecture): WantedLayer[] {
  const keys = new StoreKeys();
  return network.layers
    .map(({ name, className, weights }) => ({
      name,
      storeKey: keys.next(className),
      weights: weights.map((weight) => weight.name.slice(weight.name.lastIndexOf('/') + 1)),
    }))
    .filter((layer) => layer.weights.length > 0);
}

function matchBy(
  wanted: readonly WantedLayer[],
  stored: readonly StoredLayer[],
  wantedKey: (layer: WantedLayer) => string,
  storedKey: (layer: StoredLayer) => string | undefined,
): StoredLayer[] | undefined {
  if (stored.length !== wanted.length) return undefined;
  const byKey = new Map(stored.map((layer) => [storedKey(layer), layer]));
  const found = wanted.map((layer) => byKey.get(wantedKey(layer)));
  return found.every((layer, i) => layer?.weights.length === wanted[i].weights.length)
    ? (found as StoredLayer[])
    : undefined;
}

/** Old official files name some layers otherwise; groups of .weights.h5 have no order of their own. */
function matchByOrder(
  wanted: readonly WantedLayer[],
  stored: readonly StoredLayer[],
): readonly StoredLayer[] | undefined {
  const fits =
    stored.length === wanted.length &&
    stored.every(
      (layer, i) =>
        layer.storeKey === undefined && layer.weights.length === wanted[i].weights.length,
    );
  return fits ? stored : undefined;
}

function collect(
  wanted: readonly WantedLayer[],
  layers: readonly StoredLayer[],
): Map<string, StoredWeight> {
  const named = new Map<string, StoredWeight>();
  for (const [i, { name, weights }] of wanted.entries()) {
    const stored = layers[i].weights;
    const byName = new Map(stored.map((weight) => [weight.name, weight]));
    const isNamed = weights.every((weight) => byName.has(weight));
    for (const [j, weight] of weights.entries()) {
      named.set(`${name}/${weight}`, isNamed ? byName.get(weight)! : stored[j]);
    }
  }
  return named;
}

function noMatch(
  networks: readonly BuiltArchitecture[],
  stored: readonly StoredLayer[],
): ModelError {
  const [network] = networks;
  const wanted = networks.map((one) => weightedLayers(one));
  const known = new Set(wanted.flat().flatMap((layer) => [layer.name, layer.storeKey]));
  const labels = stored.map((layer) => layer.name ?? layer.storeKey ?? '?');
  const strange = labels.find((label) => !known.has(label));
  const missing = wanted[0].find((layer) => !labels.includes(layer.name));
  const counts = wanted.map((layers) => layers.length).join(' or ');
  const detail =
    strange !== undefined
      ? `, among them "${strange}"`
      : missing !== undefined
        ? `, without "${missing.name}"`
        : '';
  return new ModelError(
    `Expected the ${counts} layers with weights of a ${network.name} but found ${stored.length}${detail}.`,
    { fix: 'Check that --arch names the network that these weights were saved from.' },
  );
}
