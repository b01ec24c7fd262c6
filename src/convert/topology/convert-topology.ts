import { closestNames } from '../../closest-names.ts';
import { OptionError } from '../../errors.ts';
import { checkCalls, convertLayer, findRule, isReducedPrecision } from './convert-layer.ts';
import {
  cutGraph,
  type FlatGraph,
  type FlatLayer,
  type FlatRef,
  flattenGraph,
} from './flatten-graph.ts';
import type { KerasGraph } from './keras-graph.ts';
import type { CallForm, LayerRule, RuleContext, TfjsLayer } from './layer-rule.ts';
import { unsupported } from './unsupported.ts';

/** `[layer, node, tensor, {}]` as tfjs reads it. */
export type Inbound = readonly [layer: string, node: number, tensor: number, kwargs: object];

/** One layer as it will be written. */
export interface TfjsRow {
  readonly class_name: string;
  readonly config: Record<string, unknown>;
  readonly name: string;
  readonly inbound_nodes: readonly (readonly Inbound[])[];
}

export interface ConvertedTopology {
  /** Keras 2 style model JSON as tfjs-layers 4.22 reads it. */
  readonly topology: Record<string, unknown>;
  /** tfjs layer name → the layer of the file whose weights it takes. */
  readonly sources: ReadonlyMap<string, FlatLayer>;
  /** The model's own inputs. */
  readonly inputs: readonly FlatLayer[];
  /** Layers in order, as the file has them. */
  readonly layers: readonly FlatLayer[];
  /** Name of a model inside → the layer that gives its output. */
  readonly nested: Readonly<Record<string, string>>;
  /** Names of layers that Keras would calculate in another precision. */
  readonly reducedPrecision: readonly string[];
}

export interface ConvertOptions {
  readonly kerasVersion: string;
  readonly isKeras3: boolean;
  /** The shape that the model's input gets, with the batch: [null, height, width, 3]. */
  readonly inputShape: (input: FlatLayer) => readonly (number | null)[];
  /** The layer, or model inside, behind which the model is cut off; default: no cut. */
  readonly until?: string | undefined;
}

/**
 * Brings a Keras model of any generation into the form that tfjs reads.
 * @throws ModelError naming the first layer that cannot be converted, its class and what to do
 */
export function convertTopology(graph: KerasGraph, options: ConvertOptions): ConvertedTopology {
  const whole = flattenGraph(graph);
  const flat =
    options.until === undefined ? whole : cutGraph(whole, outputOf(whole, options.until));
  const rows = new RowList(flat.layers.map((layer) => layer.name));
  const sources = new Map<string, FlatLayer>();
  for (const layer of flat.layers) {
    if (layer.className === 'InputLayer') rows.addInput(layer, options.inputShape(layer));
    else addLayer(rows, sources, { layer, isKeras3: options.isKeras3 });
  }
  const refOf = ({ layer, node, tensor }: FlatRef) => [layer.name, node, tensor];
  const model = {
    name: flat.name,
    trainable: true,
    layers: rows.list,
    input_layers: flat.inputs.map((layer) => [layer.name, 0, 0]),
    output_layers: flat.outputs.map(refOf),
  };
  return {
    topology: {
      keras_version: options.kerasVersion,
      backend: 'tensorflow',
      model_config: { class_name: 'Functional', config: model },
    },
    sources,
    inputs: flat.inputs,
    layers: flat.layers,
    nested: nestedLayers(flat),
    reducedPrecision: flat.layers
      .filter((layer) => layer.className !== 'InputLayer' && isReducedPrecision(layer.config))
      .map((layer) => layer.name),
  };
}

/** @throws OptionError where neither a layer nor a model inside has the name */
function outputOf({ layers, nested }: FlatGraph, name: string): FlatRef {
  const layer = layers.find((one) => one.name === name);
  const found = layer === undefined ? nested.get(name) : { layer, node: 0, tensor: 0 };
  if (found !== undefined) return found;
  const near = closestNames(name, [...layers.map((one) => one.name), ...nested.keys()]);
  throw new OptionError(`Expected a layer of the model for --until but found "${name}".`, {
    ...(near.length > 0 && { fix: `Did you mean ${near.join(', ')}?` }),
  });
}

/** A layer of the name wins; features are those of a layer's first call. */
function nestedLayers({ layers, nested }: FlatGraph): Record<string, string> {
  const names = new Set(layers.map(({ name }) => name));
  return Object.fromEntries(
    [...nested]
      .filter(([name, { node, tensor }]) => !names.has(name) && node === 0 && tensor === 0)
      .map(([name, { layer }]) => [name, layer.name]),
  );
}

function addLayer(rows: RowList, sources: Map<string, FlatLayer>, context: RuleContext): void {
  const { layer } = context;
  const rule = findRule(context);
  if (rule.perCall) {
    addPerCall(rows, rule.perCall, context);
    return;
  }
  checkCalls(rule, context);
  const calls = layer.calls.map((call) =>
    call.args.flatMap((arg) => ('ref' in arg ? [inboundOf(arg.ref)] : [])),
  );
  const converted = convertLayer(rule, context);
  const name = addChain(rows, layer.name, converted, rule.followedBy?.(context), calls);
  sources.set(name, layer);
}

/** One layer, or two where tfjs needs two; the given name is that of the last. */
function addChain(
  rows: RowList,
  name: string,
  layer: TfjsLayer,
  followedBy: TfjsLayer | undefined,
  calls: readonly (readonly Inbound[])[],
): string {
  if (followedBy === undefined) {
    rows.add(name, layer, calls);
    return name;
  }
  const inner = rows.freeName(`${name}_inner`);
  rows.add(inner, layer, calls);
  rows.add(
    name,
    followedBy,
    calls.map((_, node) => [[inner, node, 0, {}]]),
  );
  return inner;
}

function addPerCall(
  rows: RowList,
  perCall: NonNullable<LayerRule['perCall']>,
  context: RuleContext,
): void {
  const { layer } = context;
  const forms = layer.calls.map((call) => perCall(call, context));
  const [first] = forms;
  if (first === undefined) return;
  if (forms.some((form) => JSON.stringify(form) !== JSON.stringify(first))) {
    throw unsupported(layer, 'its calls differ from each other');
  }
  const inputs = first.inputs.map(({ index, factor }) => {
    const refs = layer.calls.map((call) => refAt(call, index, layer));
    if (factor === undefined) return refs;
    const scaled = rows.freeName(`${layer.name}_${factor === -1 ? 'negated' : 'scaled'}`);
    const product = { className: 'Rescaling', config: { scale: factor, offset: 0 } };
    rows.add(
      scaled,
      product,
      refs.map((ref) => [ref]),
    );
    return refs.map((_, node): Inbound => [scaled, node, 0, {}]);
  });
  const calls = layer.calls.map((_, node) => inputs.map((refs) => refs[node]));
  rows.add(layer.name, first, calls);
}

function refAt(
  call: FlatLayer['calls'][number],
  index: CallForm['inputs'][number]['index'],
  layer: FlatLayer,
): Inbound {
  const arg = typeof index === 'number' ? call.args[index] : call.kwargs[index];
  if (arg === undefined || !('ref' in arg)) throw unsupported(layer, 'it has no tensor as input');
  return inboundOf(arg.ref);
}

function inboundOf({ layer, node, tensor }: FlatRef): Inbound {
  return [layer.name, node, tensor, {}];
}

/** The layers as they will be written, each name once. */
class RowList {
  readonly list: TfjsRow[] = [];
  readonly #names: Set<string>;

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
  }

  freeName(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.#names.has(name); i++) name = `${wanted}_${i}`;
    this.#names.add(name);
    return name;
  }

  addInput(layer: FlatLayer, shape: readonly (number | null)[]): void {
    const config = {
      batch_input_shape: shape,
      dtype: 'float32',
      sparse: false,
      ragged: false,
      name: layer.name,
    };
    this.list.push({ class_name: 'InputLayer', config, name: layer.name, inbound_nodes: [] });
  }

  add(name: string, layer: TfjsLayer, calls: readonly (readonly Inbound[])[]): void {
    this.list.push({
      class_name: layer.className,
      config: { name, trainable: true, dtype: 'float32', ...layer.config },
      name,
      inbound_nodes: calls,
    });
  }
}
