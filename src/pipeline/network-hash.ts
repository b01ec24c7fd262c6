import type { EngineOutput } from '../engine/engine.ts';
import { pruneTopology } from '../engine/prune-topology.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { fingerprint, type RunIdentity } from '../run/fingerprint.ts';

/** SHA-256 of the layers that the outputs need, hex: weights alone do not show a stride or an activation. */
export function networkHash(
  { topology, metadata }: ModelFolder,
  outputs: readonly Pick<EngineOutput, 'layer'>[],
): string {
  const wanted = [...new Set(outputs.map(({ layer }) => layer))];
  const { class_name, config } = pruneTopology(topology, wanted, metadata.inputSize);
  return fingerprint({ class_name, config: { ...(config as object), name: '' } } as RunIdentity);
}
