import { shapeSize } from '../../model/count-values.ts';
/**
 * tfjs leaves the −1 of a Reshape open and then cannot build a Flatten or Dense behind it; Keras
 * works it out. Here it is worked out by building the part of the model that leads to it.
 */
import { buildWithTfjs } from './build-with-tfjs.ts';
import type { Inbound, TfjsRow } from './convert-topology.ts';

interface FunctionalTopology {
  readonly model_config: { readonly config: { readonly layers: readonly TfjsRow[] } };
}

/** Writes the sizes into the topology's Reshape layers. */
export async function resolveReshapes(
  topology: Readonly<Record<string, unknown>>,
  label: string,
): Promise<void> {
  const { layers } = (topology as unknown as FunctionalTopology).model_config.config;
  const rows = new Map(layers.map((row) => [row.name, row]));
  const isOpen = ({ class_name, config }: TfjsRow) =>
    class_name === 'Reshape' &&
    Array.isArray(config.target_shape) &&
    config.target_shape.includes(-1);
  let open = layers.filter(isOpen);
  while (open.length > 0) {
    // One that has no other open one before it.
    const next = open.find((row) => {
      const before = ancestorsOf(row.inbound_nodes[0], rows);
      return ![...before.keys()].some((name) => name !== row.name && isOpen(rows.get(name)!));
    });
    if (next === undefined) return;
    const input = next.inbound_nodes[0][0];
    const part = cutAt(topology, input, ancestorsOf([input], rows), layers);
    const { outputShapes } = await buildWithTfjs(part, label);
    const target = next.config.target_shape as number[];
    const total = outputShapes[0].reduce<number>((product, side) => product * (side ?? 0), 1);
    const rest = shapeSize(target.filter((side) => side !== -1));
    if (total > 0)
      next.config.target_shape = target.map((side) => (side === -1 ? total / rest : side));
    open = open.filter((row) => row !== next);
  }
}

/** Layers that must exist for these tensors → the number of their calls that must. */
function ancestorsOf(
  tensors: readonly Inbound[],
  rows: ReadonlyMap<string, TfjsRow>,
): Map<string, number> {
  const calls = new Map<string, number>();
  const waiting = [...tensors];
  for (let tensor = waiting.pop(); tensor !== undefined; tensor = waiting.pop()) {
    const [name, node] = tensor;
    const known = calls.get(name) ?? 0;
    if (calls.has(name) && known > node) continue;
    calls.set(name, node + 1);
    const { inbound_nodes } = rows.get(name)!;
    for (const call of inbound_nodes.slice(known, node + 1)) waiting.push(...call);
  }
  return calls;
}

function cutAt(
  topology: Readonly<Record<string, unknown>>,
  [name, node, tensor]: Inbound,
  calls: ReadonlyMap<string, number>,
  layers: readonly TfjsRow[],
): Record<string, unknown> {
  const model = topology.model_config as { config: Record<string, unknown> };
  const kept = layers
    .filter((row) => calls.has(row.name))
    .map((row) => ({ ...row, inbound_nodes: row.inbound_nodes.slice(0, calls.get(row.name)) }));
  const inputs = kept.filter((row) => row.class_name === 'InputLayer');
  return {
    ...topology,
    model_config: {
      ...model,
      config: {
        ...model.config,
        layers: kept,
        input_layers: inputs.map((row) => [row.name, 0, 0]),
        output_layers: [[name, node, tensor]],
      },
    },
  };
}
