import { buildGraph } from '../../../src/engine/graph/build-graph.ts';
import { buildArchitecture } from '../../../src/model/architectures/build-architecture.ts';
import type { ModelMetadata } from '../../../src/model/model-folder.ts';

/** Of a network with made-up weights. */
export const METADATA: ModelMetadata = {
  architecture: null,
  preprocessing: 'caffe',
  inputSize: [224, 224],
  trained: false,
  source: { kind: 'seeded', seed: 0, width: 1 },
  weightsSha256: '',
};

/** The graph of one of our architectures, by default in fp32 on the CPU. */
export function networkGraph(
  name: string,
  layers: readonly string[],
  options: Partial<Parameters<typeof buildGraph>[2]> = {},
  preprocessing: ModelMetadata['preprocessing'] = METADATA.preprocessing,
) {
  const { topology, weights } = buildArchitecture(name);
  return buildGraph(
    { topology, weights, metadata: { ...METADATA, preprocessing } },
    layers.map((layer) => ({ layer, pool: 'none' as const })),
    { precision: 'fp32', device: 'cpu', conv: 'direct', ...options },
  );
}
