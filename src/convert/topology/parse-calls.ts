/**
 * A layer's `inbound_nodes` in the three forms that Keras has written:
 * - Keras 1 and 2: [[["conv1", 0, 0, { "training": false }], …], …] a call, its inputs
 * - Keras 2, TensorFlow operations: [["conv1", 0, 0, { "y": 127.5 }]] a call without the inner list
 * - Keras 3: [{ "args": [{ "class_name": "__keras_tensor__", … }], "kwargs": {} }]
 */
import { show } from '../../json.ts';
import { damaged, isObject } from '../keras-json.ts';
import type { Argument, LayerCall, TensorRef } from './keras-graph.ts';

/** @throws ModelError naming the layer */
export function parseCalls(nodes: unknown, layer: string): LayerCall[] {
  if (nodes === undefined || nodes === null) return [];
  if (!Array.isArray(nodes)) throw badCall(layer, nodes);
  return nodes.map((node) =>
    isObject(node) ? parseKeras3(node, layer) : parseKeras2(node, layer),
  );
}

/** `[name, 0, 0]`, `[[name, 0, 0], …]`, or a dictionary of them (named outputs). */
export function parseRefs(value: unknown, what: string): TensorRef[] {
  if (isObject(value)) return Object.values(value).flatMap((entry) => parseRefs(entry, what));
  if (!Array.isArray(value) || value.length === 0) {
    throw damaged(`a list of layers in ${what}`, show(value));
  }
  const list = typeof value[0] === 'string' ? [value] : value;
  return list.map((entry) => {
    const ref = parseRef(entry);
    if (ref === undefined) throw damaged(`[layer, node, tensor] in ${what}`, show(entry));
    return ref;
  });
}

function parseKeras2(node: unknown, layer: string): LayerCall {
  if (!Array.isArray(node) || node.length === 0) throw badCall(layer, node);
  const entries = typeof node[0] === 'string' ? [node] : node;
  const args: Argument[] = [];
  let kwargs: Record<string, unknown> = {};
  for (const entry of entries) {
    if (!Array.isArray(entry)) throw badCall(layer, entry);
    // A number in front of an operator: `1 - x`.
    if (entry[0] === '_CONSTANT_VALUE') args.push({ value: entry[2] });
    else {
      const ref = parseRef(entry);
      if (ref === undefined) throw badCall(layer, entry);
      args.push({ ref });
    }
    if (isObject(entry[3])) kwargs = { ...kwargs, ...entry[3] };
  }
  return { args, kwargs };
}

function parseKeras3(node: Readonly<Record<string, unknown>>, layer: string): LayerCall {
  const { args, kwargs } = node;
  if (!Array.isArray(args) || !isObject(kwargs)) throw badCall(layer, node);
  // Merging layers take one list of tensors.
  const flat = args.flatMap((arg) => (Array.isArray(arg) && arg.some(isTensor) ? arg : [arg]));
  return {
    args: flat.map((arg): Argument => {
      if (!isTensor(arg)) return { value: arg };
      const ref = parseRef((arg.config as Record<string, unknown>).keras_history);
      if (ref === undefined) throw badCall(layer, arg);
      return { ref };
    }),
    kwargs,
  };
}

function isTensor(value: unknown): value is Readonly<Record<string, unknown>> {
  return isObject(value) && value.class_name === '__keras_tensor__' && isObject(value.config);
}

/** A tensor inside keyword arguments: Keras 2 writes [name, node, tensor], Keras 3 a tensor object. */
export function tensorIn(value: unknown): TensorRef | undefined {
  if (isTensor(value)) return parseRef((value.config as Record<string, unknown>).keras_history);
  return Array.isArray(value) && value.length >= 3 ? parseRef(value) : undefined;
}

function parseRef(entry: unknown): TensorRef | undefined {
  if (!Array.isArray(entry)) return undefined;
  const [layer, node, tensor] = entry;
  if (typeof layer !== 'string' || !isIndex(node) || !isIndex(tensor)) return undefined;
  return { layer, node, tensor };
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function badCall(layer: string, found: unknown) {
  return damaged(`the inputs of layer "${layer}" in inbound_nodes`, show(found));
}
