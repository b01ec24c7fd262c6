import { ModelError } from '../../errors.ts';
import { show } from '../../json.ts';
import {
  damaged,
  isObject,
  type JsonObject,
  type KerasObject,
  parseKerasObject,
} from '../keras-json.ts';
import type { KerasGraph, KerasLayer, TensorRef } from './keras-graph.ts';
import { renameKeras1 } from './keras1-layers.ts';
import { parseCalls, parseRefs } from './parse-calls.ts';
import { StoreKeys } from './store-key.ts';

const MODEL_CLASSES = new Set(['Functional', 'Model', 'Sequential']);
const MAX_DEPTH = 16;

/**
 * Reads a model's JSON, of Keras 1 to 3, models inside models included.
 * @throws ModelError for a damaged graph, or a class that is neither Sequential nor Functional
 */
export function parseGraph(model: KerasObject, depth = 0): KerasGraph {
  if (depth > MAX_DEPTH) {
    throw damaged(`at most ${MAX_DEPTH} models inside each other`, 'more');
  }
  if (!MODEL_CLASSES.has(model.class_name) || !Array.isArray(model.config.layers)) {
    throw new ModelError(
      `Expected a Functional or Sequential Keras model but found a ${model.class_name}.`,
      {
        fix: 'A subclassed model keeps its calculation in Python code: rebuild it with the functional API, load its weights there and save that.',
      },
    );
  }
  const layers = parseLayers(model, depth);
  return model.class_name === 'Sequential'
    ? chainLayers(model, layers)
    : connectLayers(model, layers);
}

function parseLayers(model: KerasObject, depth: number): KerasLayer[] {
  const keys = new StoreKeys();
  const names = new Set<string>();
  return (model.config.layers as unknown[]).map((entry, i) => {
    const layer = renameKeras1(parseKerasObject(entry, `layer ${i} of the model`));
    const isModel = Array.isArray(layer.config.layers);
    // Keras 1 writes a Sequential inside a Sequential as a list of layers, without a name.
    const unnamed = isModel ? `sequential_${i}` : undefined;
    const name = (entry as JsonObject).name ?? layer.config.name ?? unnamed;
    if (typeof name !== 'string' || name === '') {
      throw damaged(`a name for layer ${i} of the model`, show(name));
    }
    if (names.has(name)) throw damaged('each layer name once', `"${name}" twice`);
    names.add(name);
    return {
      className: layer.class_name,
      module: layer.module,
      name,
      config: withBuildShape(layer.config, (entry as JsonObject).build_config),
      calls: parseCalls((entry as JsonObject).inbound_nodes, name),
      storeKey: isOperation(layer.module, layer.config) ? undefined : keys.next(layer.class_name),
      graph: isModel ? parseGraph(layer, depth + 1) : undefined,
    };
  });
}

/**
 * Keras 3 keeps `x / 255` as a node that is no layer: it is not numbered with the layers. Its .h5
 * models leave the module out; only layers have a dtype.
 */
export function isOperation(module: string, config: JsonObject): boolean {
  const isLayer = ['dtype', 'trainable', 'layers', 'batch_shape', 'batch_input_shape'].some(
    (field) => config[field] !== undefined,
  );
  return module.includes('.ops.') || module === 'keras.ops' || (module === '' && !isLayer);
}

/** A Sequential without Input knows its shape only from the call that built it. */
function withBuildShape(config: JsonObject, build: unknown): JsonObject {
  if (!Array.isArray(config.layers) || config.build_input_shape !== undefined) return config;
  return isObject(build) && Array.isArray(build.input_shape)
    ? { ...config, build_input_shape: build.input_shape }
    : config;
}

function connectLayers({ config }: KerasObject, layers: readonly KerasLayer[]): KerasGraph {
  return {
    name: typeof config.name === 'string' ? config.name : 'model',
    layers,
    inputs: parseRefs(config.input_layers, 'input_layers'),
    outputs: parseRefs(config.output_layers, 'output_layers'),
  };
}

function chainLayers({ config }: KerasObject, layers: KerasLayer[]): KerasGraph {
  const [first] = layers;
  if (first === undefined) throw damaged('at least one layer in the Sequential model', 'none');
  const chain = first.className === 'InputLayer' ? layers : [inputFor(first, config), ...layers];
  const out = (layer: KerasLayer): TensorRef => ({ layer: layer.name, node: 0, tensor: 0 });
  return {
    name: typeof config.name === 'string' ? config.name : 'sequential',
    layers: chain.map((layer, i) =>
      i === 0 ? layer : { ...layer, calls: [{ args: [{ ref: out(chain[i - 1]) }], kwargs: {} }] },
    ),
    inputs: [out(chain[0])],
    outputs: [out(chain[chain.length - 1])],
  };
}

function inputFor(first: KerasLayer, sequential: JsonObject): KerasLayer {
  const inner = first.graph?.layers.find((layer) => layer.className === 'InputLayer')?.config;
  const shape = [
    first.config.batch_input_shape,
    first.config.batch_shape,
    sequential.build_input_shape,
    inner?.batch_input_shape,
    inner?.batch_shape,
  ].find((candidate) => Array.isArray(candidate));
  return {
    className: 'InputLayer',
    module: 'keras.layers',
    name: `${first.name}_input`,
    config: { name: `${first.name}_input`, batch_input_shape: shape ?? null },
    calls: [],
    storeKey: undefined,
    graph: undefined,
  };
}
