import { damaged, type JsonObject } from '../keras-json.ts';
import type { KerasGraph, KerasLayer, LayerCall, TensorRef } from './keras-graph.ts';
import { tensorIn } from './parse-calls.ts';

export interface FlatRef {
  readonly layer: FlatLayer;
  readonly node: number;
  readonly tensor: number;
}

export type FlatArgument = { readonly ref: FlatRef } | { readonly value: unknown };

export interface FlatCall {
  readonly args: readonly FlatArgument[];
  readonly kwargs: Readonly<Record<string, FlatArgument>>;
}

export interface FlatLayer {
  /** Unique in the whole model. */
  readonly name: string;
  readonly className: string;
  readonly module: string;
  readonly config: JsonObject;
  /** Where its weights are: names (or .weights.h5 group names) of the models around it, then its own. */
  readonly names: readonly string[];
  readonly storeKeys: readonly (string | undefined)[];
  /** Grows while the graph is walked, in the order in which calls become possible. */
  readonly calls: FlatCall[];
}

export interface FlatGraph {
  readonly name: string;
  readonly layers: readonly FlatLayer[];
  readonly inputs: readonly FlatLayer[];
  readonly outputs: readonly FlatRef[];
  /** The first output of each model inside, by its name; of a model that is called several times, of the first call. */
  readonly nested: ReadonlyMap<string, FlatRef>;
}

/** A model that calls itself through models inside models could grow without end. */
const MAX_CALLS = 50_000;

/**
 * Flattens models inside models: their layers become layers of the outer model, so that any of
 * them can be asked for features. Shared layers and shared models keep one set of weights. An inner
 * layer whose name is taken gets its model's name in front.
 * @throws ModelError when calls cannot be resolved (a cycle, a missing layer)
 */
export function flattenGraph(graph: KerasGraph): FlatGraph {
  const layers = new Map<string, FlatLayer>();
  const names = new Set<string>();
  const inputs: FlatLayer[] = [];
  const nested = new Map<string, FlatRef>();
  let calls = 0;
  declare(graph, [], []);

  const outputs = walk(graph, [], undefined);
  return { name: graph.name, layers: [...layers.values()], inputs, outputs, nested };

  /** Lists every layer first, so that the flat order is Keras' order. */
  function declare(inner: KerasGraph, path: readonly string[], keys: FlatLayer['storeKeys']): void {
    // Outer names win over inner ones.
    for (const { name, graph } of inner.layers)
      if (graph === undefined && path.length === 0) names.add(name);
    for (const layer of inner.layers) {
      const ownPath = [...path, layer.name];
      const ownKeys = [...keys, layer.storeKey];
      if (layer.graph !== undefined) declare(layer.graph, ownPath, ownKeys);
      else if (path.length === 0 || layer.className !== 'InputLayer') {
        const flat: FlatLayer = {
          name: path.length === 0 ? layer.name : uniqueName(ownPath),
          className: layer.className,
          module: layer.module,
          config: layer.config,
          names: ownPath,
          storeKeys: ownKeys,
          calls: [],
        };
        layers.set(pathKey(ownPath), flat);
      }
    }
  }

  function uniqueName(path: readonly string[]): string {
    let name = path[path.length - 1];
    for (let i = path.length - 2; i >= 0 && names.has(name); i--) name = `${path[i]}_${name}`;
    for (let n = 1; names.has(name); n++) name = `${path[path.length - 1]}_${n}`;
    names.add(name);
    return name;
  }

  /** Calls a graph on `given` (undefined = the outermost, which starts at its own inputs). */
  function walk(
    inner: KerasGraph,
    path: readonly string[],
    given: readonly FlatRef[] | undefined,
  ): FlatRef[] {
    const results = new Map<string, readonly FlatRef[]>();
    const offsets = new Map(inner.layers.map((layer) => [layer.name, nodeOffset(layer, inner)]));
    inner.inputs.forEach((ref, i) => {
      const flat = layers.get(pathKey([...path, ref.layer]));
      if (given === undefined && flat !== undefined) inputs.push(flat);
      const source = given?.[i] ?? (flat && { layer: flat, node: 0, tensor: 0 });
      if (source === undefined) throw damaged(`an input for "${ref.layer}"`, 'none');
      results.set(callKey(ref.layer, 0), [source]);
    });
    const find = (ref: TensorRef): FlatRef | undefined =>
      results.get(callKey(ref.layer, ref.node - (offsets.get(ref.layer) ?? 0)))?.[ref.tensor];

    let waiting = inner.layers.flatMap((layer) =>
      layer.calls.map((call, i) => ({ layer, call, i })),
    );
    while (waiting.length > 0) {
      const later = waiting.filter(({ layer, call, i }) => {
        const flatCall = resolveCall(call, find);
        if (flatCall === undefined) return true;
        results.set(callKey(layer.name, i), apply(layer, path, flatCall));
        return false;
      });
      if (later.length === waiting.length) {
        const names = [...new Set(later.map(({ layer }) => `"${layer.name}"`))].slice(0, 3);
        throw damaged('inputs for every layer', `none for ${names.join(', ')}`);
      }
      waiting = later;
    }
    return inner.outputs.map((ref) => {
      const found = find(ref);
      if (found === undefined) throw damaged('a layer for each output', `none for "${ref.layer}"`);
      return found;
    });
  }

  function apply(layer: KerasLayer, path: readonly string[], call: FlatCall): readonly FlatRef[] {
    const ownPath = [...path, layer.name];
    if (layer.graph !== undefined) {
      const given = call.args.flatMap((arg) => ('ref' in arg ? [arg.ref] : []));
      const results = walk(layer.graph, ownPath, given);
      if (!nested.has(layer.name)) nested.set(layer.name, results[0]);
      return results;
    }
    calls++;
    if (calls > MAX_CALLS) throw damaged(`at most ${MAX_CALLS} layer calls`, 'more');
    const flat = layers.get(pathKey(ownPath))!;
    flat.calls.push(call);
    const node = flat.calls.length - 1;
    // Only recurrent layers have more than one output; a short list is enough for them.
    return [0, 1, 2, 3, 4].map((tensor) => ({ layer: flat, node, tensor }));
  }
}

/** The part of the graph that one output needs. */
export function cutGraph(graph: FlatGraph, output: FlatRef): FlatGraph {
  const needed = new Map<FlatLayer, Set<number>>();
  const open = [output];
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    const nodes = needed.get(ref.layer) ?? new Set();
    needed.set(ref.layer, nodes);
    if (nodes.has(ref.node)) continue;
    nodes.add(ref.node);
    const call = ref.layer.calls[ref.node];
    const given = call === undefined ? [] : [...call.args, ...Object.values(call.kwargs)];
    for (const arg of given) if ('ref' in arg) open.push(arg.ref);
  }
  const layers = graph.layers.filter((layer) => needed.has(layer));
  const copies = new Map(layers.map((layer) => [layer, { ...layer, calls: [] as FlatCall[] }]));
  /** Calls that are left out change the numbers of those behind them. */
  const move = ({ layer, node, tensor }: FlatRef): FlatRef => ({
    layer: copies.get(layer)!,
    node: [...needed.get(layer)!].filter((other) => other < node).length,
    tensor,
  });
  const moveArg = (arg: FlatArgument) => ('ref' in arg ? { ref: move(arg.ref) } : arg);
  for (const [layer, { calls }] of copies) {
    for (const { args, kwargs } of layer.calls.filter((_, i) => needed.get(layer)!.has(i))) {
      const named = Object.entries(kwargs).map(([name, arg]) => [name, moveArg(arg)]);
      calls.push({ args: args.map(moveArg), kwargs: Object.fromEntries(named) });
    }
  }
  const isKept = ({ layer, node }: FlatRef) => needed.get(layer)?.has(node) === true;
  return {
    name: graph.name,
    layers: [...copies.values()],
    inputs: graph.inputs.flatMap((layer) => copies.get(layer) ?? []),
    outputs: [move(output)],
    nested: new Map(
      [...graph.nested].filter(([, ref]) => isKept(ref)).map(([name, ref]) => [name, move(ref)]),
    ),
  };
}

/** undefined: something it needs has not been calculated yet. */
function resolveCall(
  call: LayerCall,
  find: (ref: TensorRef) => FlatRef | undefined,
): FlatCall | undefined {
  const args: FlatArgument[] = [];
  for (const arg of call.args) {
    if ('value' in arg) args.push(arg);
    else {
      const ref = find(arg.ref);
      if (ref === undefined) return undefined;
      args.push({ ref });
    }
  }
  const kwargs: Record<string, FlatArgument> = Object.create(null);
  for (const [name, value] of Object.entries(call.kwargs)) {
    const tensor = tensorIn(value);
    if (tensor === undefined) kwargs[name] = { value };
    else {
      const ref = find(tensor);
      if (ref === undefined) return undefined;
      kwargs[name] = { ref };
    }
  }
  return { args, kwargs };
}

/**
 * Keras 2 counts a nested model's own construction as its call number 0, Keras 3 does not. The last
 * call is always used by somebody, so the highest number in use shows which it was.
 */
function nodeOffset(layer: KerasLayer, graph: KerasGraph): number {
  if (layer.graph === undefined) return 0;
  let highest = -1;
  const see = (ref: TensorRef | undefined) => {
    if (ref?.layer === layer.name) highest = Math.max(highest, ref.node);
  };
  for (const { calls } of graph.layers) {
    for (const { args, kwargs } of calls) {
      for (const arg of args) if ('ref' in arg) see(arg.ref);
      for (const value of Object.values(kwargs)) see(tensorIn(value));
    }
  }
  for (const ref of graph.outputs) see(ref);
  return highest >= layer.calls.length ? highest - layer.calls.length + 1 : 0;
}

function pathKey(path: readonly string[]): string {
  return path.join('\0');
}

function callKey(layer: string, node: number): string {
  return `${layer}\0${node}`;
}
