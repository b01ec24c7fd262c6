/** Reading a Keras 2 topology without running it: the layers, how they connect, the input shape. */
import { ModelError } from '../errors.ts';
import type { KerasConfig, LayerRow } from './architectures/keras-layers.ts';

/** A tensor shape without the batch dimension; null where the model leaves the size open. */
export type OpenShape = readonly (number | null)[];

interface ModelConfig {
  readonly class_name: string;
  readonly config: Record<string, unknown>;
}

/** The `{ class_name, config }` of a topology, whichever of the two forms it is kept in. */
export function modelConfigOf(topology: Readonly<Record<string, unknown>>): ModelConfig {
  const model = (topology.model_config ?? topology) as Partial<ModelConfig>;
  if (typeof model.class_name !== 'string' || !isObject(model.config)) {
    throw new ModelError(
      'Expected a Keras model configuration (class_name and config) in modelTopology but found none.',
    );
  }
  return model as ModelConfig;
}

/**
 * The layers in the topology's own order, each with the layers it is called on. A layer that is
 * called several times lists the inputs of all its calls.
 */
export function listLayers(topology: Readonly<Record<string, unknown>>): LayerRow[] {
  const { class_name, config } = modelConfigOf(topology);
  // Keras before 2.2.3 wrote a Sequential's config as the bare list of layers.
  const layers = (Array.isArray(config) ? config : config.layers) as unknown;
  if (!Array.isArray(layers)) {
    throw new ModelError('Expected a list of layers in modelTopology but found none.');
  }
  const rows: LayerRow[] = [];
  for (const [i, layer] of layers.entries()) {
    const className = layer?.class_name;
    const layerConfig = layer?.config as KerasConfig | undefined;
    const name = layer?.name ?? layerConfig?.name;
    if (typeof className !== 'string' || typeof name !== 'string' || !isObject(layerConfig)) {
      throw new ModelError(
        `Expected class_name, name and config for layer ${i} of modelTopology but found ${JSON.stringify(layer)?.slice(0, 80)}.`,
      );
    }
    const inbound =
      class_name === 'Sequential'
        ? rows.slice(-1).map((previous) => previous.name)
        : inboundNames(layer.inbound_nodes);
    rows.push({ className, name, config: layerConfig, inbound });
  }
  return rows;
}

/** One call of a layer: a shared layer has several. */
export interface LayerCall {
  readonly row: LayerRow;
  /** Of this call's output. */
  readonly key: string;
  /** Keys of the calls whose outputs it reads. */
  readonly inputs: readonly string[];
}

export function callKey(layer: string, call: number): string {
  return `${layer}#${call}`;
}

/** The calls of all layers, each after those that it reads; in the topology's order as far as that allows. */
export function listCalls(topology: Readonly<Record<string, unknown>>): LayerCall[] {
  const { class_name, config } = modelConfigOf(topology);
  const rows = listLayers(topology);
  const layers = (config as { layers?: Record<string, unknown>[] }).layers;
  let waiting = rows.flatMap((row, i): LayerCall[] => {
    const nodes = class_name === 'Sequential' ? [] : layers![i].inbound_nodes;
    const calls = Array.isArray(nodes)
      ? nodes.map(readKeys).filter(({ length }) => length > 0)
      : [];
    if (calls.length === 0) calls.push(row.inbound.map((from) => callKey(from, 0)));
    return calls.map((inputs, call) => ({ row, key: callKey(row.name, call), inputs }));
  });
  const sorted: LayerCall[] = [];
  const known = new Set<string>();
  while (waiting.length > 0) {
    const later = waiting.filter((call) => {
      if (!call.inputs.every((key) => known.has(key))) return true;
      known.add(call.key);
      sorted.push(call);
      return false;
    });
    if (later.length === waiting.length) break;
    waiting = later;
  }
  // What is left reads an output that no layer gives.
  return [...sorted, ...waiting];
}

function readKeys(node: unknown): string[] {
  const entries = Array.isArray(node) ? node.filter((entry) => Array.isArray(entry)) : [];
  return entries.map(([from, call]) => callKey(String(from), Number(call)));
}

/** Names of the layers whose outputs the model returns, in order. */
export function outputLayerNames(topology: Readonly<Record<string, unknown>>): string[] {
  const { config } = modelConfigOf(topology);
  const outputs = config.output_layers;
  // Keras writes one output either as [[name, 0, 0]] or as [name, 0, 0].
  if (Array.isArray(outputs) && outputs.length > 0) {
    return typeof outputs[0] === 'string' ? [outputs[0]] : outputs.map((entry) => String(entry[0]));
  }
  return listLayers(topology)
    .slice(-1)
    .map((layer) => layer.name);
}

/** Shape of the model's first input without the batch, e.g. [224, 224, 3]; undefined if not given. */
export function inputShapeOf(topology: Readonly<Record<string, unknown>>): OpenShape | undefined {
  const layers = listLayers(topology);
  const first = layers.find((layer) => batchShape(layer.config) !== undefined);
  return first && batchShape(first.config)?.slice(1);
}

/** Whether the network takes images of one channel, Pillow's convert("L"), in place of RGB. */
export function isGray(topology: Readonly<Record<string, unknown>>): boolean {
  return inputShapeOf(topology)?.[2] === 1;
}

export function batchShape(config: KerasConfig): OpenShape | undefined {
  const shape = config.batch_input_shape ?? config.batch_shape;
  return Array.isArray(shape) ? shape : undefined;
}

/** Layers that leave each pixel as it is, or only move, cut or repeat it. */
const KEEPS_PIXELS = new Set([
  'InputLayer',
  'Dropout',
  'ZeroPadding2D',
  'Cropping2D',
  'Resizing',
  'CenterCrop',
]);

/**
 * The layer by which a model scales its pixels itself, before all others: it takes them as they are, 0–255.
 * Keras' Normalization is kept as a BatchNormalization without scale and centre.
 */
export function firstScaling(topology: Readonly<Record<string, unknown>>): string | undefined {
  const layers = listLayers(topology);
  let at = layers.find(({ inbound }) => inbound.length === 0);
  while (at !== undefined) {
    const { name, className, config } = at;
    const isNormalization =
      className === 'Normalization' ||
      (className === 'BatchNormalization' && config.center === false && config.scale === false);
    if (className === 'Rescaling' || isNormalization) return name;
    const isIdentity = className === 'Activation' && config.activation === 'linear';
    if (!KEEPS_PIXELS.has(className) && !isIdentity) return undefined;
    const readers = layers.filter(({ inbound }) => inbound.includes(name));
    at = readers.length === 1 ? readers[0] : undefined;
  }
  return undefined;
}

/** inbound_nodes is [[["conv1", 0, 0, {}], …], …]: calls, then inputs of a call. */
function inboundNames(nodes: unknown): string[] {
  if (!Array.isArray(nodes)) return [];
  return nodes.flatMap((node) =>
    Array.isArray(node)
      ? node.filter((entry) => Array.isArray(entry)).map((entry) => String(entry[0]))
      : [],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
