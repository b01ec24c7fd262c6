/**
 * The layout of .weights.h5 (Keras 3 and late Keras 2), also inside .keras files: groups follow the
 * objects that own variables ("layers/conv2d_3/vars/0"), named by class, not by layer name.
 */
import type { H5Group } from '../h5/h5-inventory.ts';
import type { LayerAddress, StoredLayer, StoredWeight, WeightStore } from './stored-layer.ts';

/** Keras 2.12 had its own name for the container. */
const CONTAINERS = ['layers', '_layer_checkpoint_dependencies'];

/** Parts of a layer in the order in which the layer lists their weights. */
const PARTS = ['layer', 'forward_layer', 'backward_layer', 'cell'];

interface Place {
  readonly group: H5Group;
  readonly path: string;
}

export function hasVariableTree(root: H5Group): boolean {
  return containerOf({ group: root, path: '' }) !== undefined;
}

export function openVariableTree(root: H5Group): WeightStore {
  const top: Place = { group: root, path: '' };
  const container = containerOf(top);
  const layers = Object.entries(container?.group.groups ?? {}).map(([key, group]): StoredLayer => {
    const place = { group, path: `${container!.path}/${key}` };
    return { name: nameOf(group), storeKey: key, weights: allWeights(place) };
  });
  return {
    layers: layers.filter((layer) => layer.weights.length > 0),
    find: (address) => findLayer(top, address),
  };
}

function findLayer(top: Place, { names, storeKeys }: LayerAddress) {
  let place: Place | undefined = top;
  for (const [i, name] of names.entries()) {
    place = place && childOf(place, name, storeKeys[i]);
  }
  const weights = place && listWeights(place);
  return weights?.length ? weights : undefined;
}

/** By the layer's name where Keras noted it, else by the name that its class and order give. */
function childOf(place: Place, name: string, storeKey: string | undefined): Place | undefined {
  const container = containerOf(place);
  if (container === undefined) return undefined;
  const groups = Object.entries(container.group.groups);
  const named = groups.filter(([, group]) => nameOf(group) === name);
  const found = named.length === 1 ? named[0] : groups.find(([key]) => key === storeKey);
  // A noted name that differs counts more than the order.
  const other = found && nameOf(found[1]);
  if (found === undefined || (other !== undefined && other !== name)) return undefined;
  return { group: found[1], path: `${container.path}/${found[0]}` };
}

function containerOf({ group, path }: Place): Place | undefined {
  for (const name of CONTAINERS) {
    const inner = group.groups[name];
    if (inner !== undefined) return { group: inner, path: `${path}/${name}` };
  }
  return undefined;
}

/** The layer's own variables, then those of its parts (a cell, a wrapped layer). */
function listWeights({ group, path }: Place): StoredWeight[] {
  const vars = group.groups.vars?.datasets ?? {};
  const own = Object.keys(vars)
    .filter((name) => /^\d+$/.test(name))
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => ({ path: `${path}/vars/${name}`, name, dataset: vars[name] }));
  const parts = PARTS.flatMap((part) => {
    const inner = group.groups[part];
    return inner === undefined ? [] : listWeights({ group: inner, path: `${path}/${part}` });
  });
  return [...own, ...parts];
}

/** With those of a model inside: to see that a layer has any. */
function allWeights(place: Place): StoredWeight[] {
  const container = containerOf(place);
  const inner = Object.entries(container?.group.groups ?? {}).flatMap(([key, group]) =>
    allWeights({ group, path: `${container!.path}/${key}` }),
  );
  return [...listWeights(place), ...inner];
}

function nameOf(group: H5Group): string | undefined {
  const name = group.groups.vars?.attributes.name;
  return typeof name === 'string' ? name : undefined;
}
