/**
 * The layout of Keras 1 and 2, which Keras 3 still writes into .h5 models: the attribute
 * `layer_names` lists groups, whose attribute `weight_names` lists datasets inside the group. A model
 * inside the model is one group with the weights of all its layers.
 */
import type { H5Dataset, H5Group } from '../h5/h5-inventory.ts';
import { damaged } from '../keras-json.ts';
import type { LayerAddress, StoredLayer, StoredWeight, WeightStore } from './stored-layer.ts';

export interface OwnedWeight extends StoredWeight {
  /** Layer names around the weight, outermost first: "base/conv1/kernel:0" → ["base", "conv1"]. */
  readonly owners: readonly string[];
}

/** @param rootPath path of `root` in the file, "" or "/model_weights" */
export function openLayerGroups(root: H5Group, rootPath: string): WeightStore {
  const groups = new Map<string, readonly OwnedWeight[]>();
  for (const name of listAttribute(root, 'layer_names') ?? []) {
    const group = groupAt(root, name.split('/'));
    if (group === undefined) throw damaged(`a group for layer "${name}"`, 'none');
    groups.set(name, listWeights(group, `${rootPath}/${name}`, name));
  }
  const layers: StoredLayer[] = [...groups]
    .filter(([, weights]) => weights.length > 0)
    .map(([name, weights]) => ({ name, storeKey: undefined, weights }));
  return { layers, find: (address) => findLayer(groups, address.names) };
}

function findLayer(
  groups: ReadonlyMap<string, readonly OwnedWeight[]>,
  names: LayerAddress['names'],
): readonly StoredWeight[] | undefined {
  const weights = groups.get(names[0]);
  if (names.length === 1) return weights?.length ? weights : undefined;
  // Keras 1 does not write the name that a Sequential inside a Sequential has there.
  return findOwned(weights ?? [...groups.values()].flat(), names.slice(1));
}

/**
 * The weights whose owners end as the address does, as far as the file spells it out; else those of the layer's parts
 * (a cell); else those whose name says it in another way. The layer "bn" is not the layer "conv/bn":
 * of several that fit, those with the fewest owners.
 */
export function findOwned(
  weights: readonly OwnedWeight[],
  names: readonly string[],
): readonly OwnedWeight[] | undefined {
  const spelled = weights.map((weight) => ({ weight, path: `/${weight.owners.join('/')}/` }));
  const rules = [
    (path: string, tail: string) => path.endsWith(tail),
    (path: string, tail: string) => path.includes(tail),
  ];
  for (const matches of rules) {
    for (let depth = names.length; depth >= 1; depth--) {
      const tail = `/${names.slice(-depth).join('/')}/`;
      const found = spelled.filter(({ path }) => matches(path, tail)).map(({ weight }) => weight);
      const fewest = Math.min(...found.map(({ owners }) => owners.length));
      if (found.length > 0) return found.filter(({ owners }) => owners.length === fewest);
    }
  }
  const start = `${names[names.length - 1]}_`;
  const named = weights.filter(({ path }) => {
    const full = path.slice(path.lastIndexOf('/') + 1).replace(/:\d+$/, '');
    return full.startsWith(start) && KERAS_1_WEIGHT.test(full.slice(start.length));
  });
  if (named.length > 0) return named;
  const loose = weights.filter(({ owners, name }) => owners.length === 0 && LOOSE.test(name));
  return loose.length > 0 ? loose : undefined;
}

/** Keras 1 put the layer's name in front of the weight's, without a slash: "conv1_W", older "conv1_W_1". */
const KERAS_1_WEIGHT =
  /^(W|b|gamma|beta|running_mean|running_std|alphas|depthwise_kernel|pointwise_kernel)(_\d+)?$/;

/** Keras 2 leaves the owner out of what a Normalization has learned before the model is built. */
const LOOSE = /^(mean|variance|count)(_\d+)?$/;

function listWeights(group: H5Group, path: string, layer: string): OwnedWeight[] {
  return (listAttribute(group, 'weight_names') ?? []).map((full) => {
    const dataset = datasetAt(group, full.split('/'));
    if (dataset === undefined) throw damaged(`a dataset for weight "${full}"`, 'none');
    // ":0" is TensorFlow's output number.
    const parts = full.replace(/:\d+$/, '').split('/');
    return {
      path: `${path}/${full}`,
      name: baseName(parts[parts.length - 1], layer),
      dataset,
      owners: parts.slice(0, -1),
    };
  });
}

/** Keras 1 wrote "block1_conv1_W_1" for kernels: no name that today's layers know; order decides. */
function baseName(name: string, layer: string): string {
  return name.startsWith(`${layer}_`) ? name.slice(layer.length + 1) : name;
}

function datasetAt(group: H5Group, parts: readonly string[]): H5Dataset | undefined {
  return groupAt(group, parts.slice(0, -1))?.datasets[parts[parts.length - 1]];
}

/** A name with slashes, as Keras 2 allows, is a path of groups. */
function groupAt(root: H5Group, parts: readonly string[]): H5Group | undefined {
  let group: H5Group | undefined = root;
  for (const part of parts) group = group?.groups[part];
  return group;
}

/** Lists beyond HDF5's 64 KB an attribute are cut into `<name>0`, `<name>1`, … */
function listAttribute(group: H5Group, name: string): readonly string[] | undefined {
  const whole = asList(group.attributes[name]);
  if (whole !== undefined) return whole;
  const parts: string[] = [];
  for (let i = 0; ; i++) {
    const part = asList(group.attributes[`${name}${i}`]);
    if (part === undefined) return i === 0 ? undefined : parts;
    parts.push(...part);
  }
}

function asList(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value;
}

export function hasLayerGroups(root: H5Group): boolean {
  return listAttribute(root, 'layer_names') !== undefined;
}
