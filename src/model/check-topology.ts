import { ModelError } from '../errors.ts';
import { listLayers, modelConfigOf } from './topology-layers.ts';

/**
 * Checks how the layers of a topology connect, nested models included. tfjs' loader loops for
 * ever where a layer waits for an input that never comes (a lost layer, a call that was never made,
 * a circle), so it must not get such a topology.
 * @throws ModelError naming the layer
 */
export function checkTopology(topology: Readonly<Record<string, unknown>>): void {
  const rows = listLayers(topology);
  const { class_name, config } = modelConfigOf(topology);
  const layers = (Array.isArray(config) ? config : config.layers) as Record<string, unknown>[];
  const calls = new Map<string, number>();
  for (const [i, { name }] of rows.entries()) {
    if (calls.has(name)) throw wrong(`one layer named ${name}`, 'two');
    calls.set(name, callCount(layers[i]));
  }
  for (const layer of layers) {
    if (isModel(layer)) checkTopology(layer);
  }
  if (class_name === 'Sequential') return;
  for (const [i, layer] of layers.entries()) checkInputs(rows[i].name, layer, calls);
  for (const ends of [config.input_layers, config.output_layers]) checkEnds(ends, calls);
  checkNoCircle(
    layers,
    rows.map(({ name }) => name),
  );
}

type Node = readonly [from: unknown, call: unknown, ...rest: unknown[]];

/** Outputs that other layers may ask for: one a call, and one of an input or a nested model itself. */
function callCount(layer: Record<string, unknown>): number {
  const nodes = Array.isArray(layer.inbound_nodes) ? layer.inbound_nodes.length : 0;
  return layer.class_name === 'InputLayer' || isModel(layer) ? nodes + 1 : nodes;
}

export function isModel({ config }: Record<string, unknown>): boolean {
  return Array.isArray((config as Record<string, unknown> | null)?.layers);
}

function checkInputs(
  name: string,
  { inbound_nodes: nodes = [] }: Record<string, unknown>,
  calls: ReadonlyMap<string, number>,
): void {
  const isList = Array.isArray(nodes) && nodes.every(Array.isArray);
  if (!isList) throw wrong(`a list of calls as inbound_nodes of layer ${name}`, typeof nodes);
  for (const node of (nodes as Node[][]).flat()) {
    if (!Array.isArray(node)) {
      throw wrong(`inbound_nodes of layer ${name} as Keras 2 writes them`, JSON.stringify(node));
    }
    checkCall(`as input of layer ${name}`, node as unknown as Node, calls);
  }
}

/** Keras writes one end as [name, 0, 0] or [[name, 0, 0]], several as a list. */
function checkEnds(ends: unknown, calls: ReadonlyMap<string, number>): void {
  if (!Array.isArray(ends) || ends.length === 0) {
    throw wrong('input_layers and output_layers', 'none');
  }
  for (const end of Array.isArray(ends[0]) ? ends : [ends]) {
    checkCall('as an end of the network', end as Node, calls);
  }
}

function checkCall(where: string, [from, call]: Node, calls: ReadonlyMap<string, number>): void {
  const count = calls.get(String(from));
  if (count === undefined) throw wrong(`a known layer ${where}`, JSON.stringify(from));
  if (!Number.isInteger(call) || (call as number) < 0 || (call as number) >= count) {
    throw wrong(`one of ${count} outputs of ${from} ${where}`, `number ${JSON.stringify(call)}`);
  }
}

/**
 * Removes calls whose inputs are all removed, until none is left. Calls, not layers: a shared
 * layer may be called on its own output. Keras numbers the calls of a layer as they are made, so
 * each also follows the one before it.
 */
function checkNoCircle(layers: readonly Record<string, unknown>[], names: readonly string[]): void {
  const waiting = new Map<string, Set<string>>();
  for (const [i, layer] of layers.entries()) {
    const nodes = (layer.inbound_nodes ?? []) as Node[][];
    const first = callCount(layer) - nodes.length;
    for (let call = 0; call < first; call++) waiting.set(keyOf(names[i], call), new Set());
    for (const [k, node] of nodes.entries()) {
      const inputs = new Set(node.map(([from, call]) => keyOf(from, call)));
      if (first + k > 0) inputs.add(keyOf(names[i], first + k - 1));
      waiting.set(keyOf(names[i], first + k), inputs);
    }
  }
  const followers = new Map<string, string[]>([...waiting.keys()].map((key) => [key, []]));
  for (const [key, inputs] of waiting) {
    for (const from of inputs) followers.get(from)!.push(key);
  }
  const ready = [...waiting].filter(([, inputs]) => inputs.size === 0).map(([key]) => key);
  for (let key = ready.pop(); key !== undefined; key = ready.pop()) {
    waiting.delete(key);
    for (const follower of followers.get(key)!) {
      const inputs = waiting.get(follower)!;
      inputs.delete(key);
      if (inputs.size === 0) ready.push(follower);
    }
  }
  const [stuck] = waiting.keys();
  if (stuck !== undefined) {
    throw wrong('layers without a circle', `one through ${stuck.slice(0, stuck.lastIndexOf('#'))}`);
  }
}

function keyOf(name: unknown, call: unknown): string {
  return `${name}#${call}`;
}

function wrong(expected: string, found: string): ModelError {
  return new ModelError(`Expected ${expected} in modelTopology but found ${found.slice(0, 80)}.`);
}
