import { ARCHITECTURE_NAMES } from '../model/architectures/architecture.ts';
import {
  type BuiltArchitecture,
  buildArchitecture,
} from '../model/architectures/build-architecture.ts';

interface NamedLayer {
  readonly name: string;
  readonly className: string;
}

/** Without influence on which network it is: keras.applications adds them on request. */
const OPTIONAL = new Set([
  'InputLayer',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'Dropout',
  'Flatten',
]);

/**
 * Decides by the names and classes of its layers whether a model is one of keras.applications, of any
 * width. A model with anything in front or behind (Rescaling, an own head) is not: its preprocessing
 * cannot be known.
 */
export function recogniseArchitecture(
  layers: readonly NamedLayer[],
): BuiltArchitecture | undefined {
  const found = signature(layers);
  return standardNetworks().find((network) => signature(network.layers) === found);
}

/** The four networks with and without their classifier, at full width. */
export function* standardNetworksOf(name: string): Generator<BuiltArchitecture> {
  yield buildArchitecture(name, { includeTop: true });
  yield buildArchitecture(name, { includeTop: false });
}

function standardNetworks(): BuiltArchitecture[] {
  return ARCHITECTURE_NAMES.flatMap((name) => [...standardNetworksOf(name)]);
}

function signature(layers: readonly NamedLayer[]): string {
  return layers
    .filter((layer) => !OPTIONAL.has(layer.className))
    .map((layer) => `${layer.name}:${layer.className}`)
    .sort()
    .join('\n');
}
