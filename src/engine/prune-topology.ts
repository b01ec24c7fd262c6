import type { LayerRow } from '../model/architectures/keras-layers.ts';
import { isModel } from '../model/check-topology.ts';
import { listLayers, modelConfigOf } from '../model/topology-layers.ts';

type Json = Record<string, unknown>;

/**
 * The topology that holds only what the wanted layers need: a model cut at block5_pool never builds,
 * reads or runs fc1 and its 411 MB. Initialisers become zeros (the weights follow from disk, and
 * drawing 100 M random numbers takes seconds), and an open input size is closed.
 *
 * @param topology Keras 2 JSON as model.json holds it.
 * @param wanted layer names, all in the topology.
 * @returns JSON that `tf.models.modelFromJSON` reads.
 */
export function pruneTopology(
  topology: Readonly<Json>,
  wanted: readonly string[],
  inputSize: readonly [height: number, width: number],
): Json {
  const { class_name, config } = modelConfigOf(topology);
  // Keras before 2.2.3 wrote a Sequential's config as the bare list of layers.
  const all = (Array.isArray(config) ? config : config.layers) as Json[];
  const rows = listLayers(topology);
  const kept = withAncestors(rows, wanted);
  const layers = all.filter((_, i) => kept.has(rows[i].name)).map((json) => toBuild(json) as Json);
  for (const layer of layers) closeInputSize(layer.config as Json, inputSize);
  const models = new Set(rows.filter((_, i) => isModel(all[i])).map((row) => row.name));
  const name = Array.isArray(config) ? 'model' : (config.name ?? 'model');
  if (class_name === 'Sequential') return { class_name, config: { name, layers } };
  return {
    class_name,
    config: {
      name,
      layers,
      input_layers: endpoints(config.input_layers).filter(([layer]) => kept.has(layer)),
      // The construction of a model inside counts as its call 0.
      output_layers: wanted.map((layer) => [layer, models.has(layer) ? 1 : 0, 0]),
    },
  };
}

/** Names of the wanted layers and of everything that feeds them. */
function withAncestors(rows: readonly LayerRow[], wanted: readonly string[]): Set<string> {
  const inbound = new Map(rows.map((row) => [row.name, row.inbound]));
  const kept = new Set<string>();
  const open = [...wanted];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (kept.has(name)) continue;
    kept.add(name);
    open.push(...(inbound.get(name) ?? []));
  }
  return kept;
}

/** Keras writes one endpoint either as [name, 0, 0] or as [[name, 0, 0]]. */
function endpoints(value: unknown): [string, number, number][] {
  const list = value as unknown[];
  return (Array.isArray(list[0]) ? list : [list]) as [string, number, number][];
}

/** A deep copy with zero initialisers and without regularisers and constraints. */
function toBuild(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toBuild);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (key.endsWith('_initializer')) return [key, { class_name: 'Zeros', config: {} }];
      if (key.endsWith('_regularizer') || key.endsWith('_constraint')) return [key, null];
      return [key, toBuild(item)];
    }),
  );
}

function closeInputSize(config: Json, [height, width]: readonly [number, number]): void {
  const shape = config.batch_input_shape;
  if (!Array.isArray(shape) || shape.length !== 4) return;
  config.batch_input_shape = [null, shape[1] ?? height, shape[2] ?? width, shape[3]];
}
