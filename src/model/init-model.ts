import { OptionError } from '../errors.ts';
import { buildArchitecture } from './architectures/build-architecture.ts';
import type { ModelFolder, WeightSpec } from './model-folder.ts';
import { type SeededScale, seededWeights } from './seeded-weights.ts';
import { listLayers } from './topology-layers.ts';
import { checkReplaceable, type WeightStream, writeModelFolder } from './write-model-folder.ts';

export interface InitOptions {
  /** One of ARCHITECTURE_NAMES. */
  readonly architecture: string;
  /** 0 to 2^32 − 1. The same seed gives the same bytes on every machine. */
  readonly seed: number;
  /** Every layer this many times as wide; 1 is the full network. */
  readonly width?: number;
  /** Units of the classifier; default 1000. */
  readonly classes?: number;
  readonly includeTop?: boolean;
  readonly dir: string;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Writes a model with seeded, untrained weights: the real shapes and cost for demos, tests and
 * benchmarks. Its features mean nothing, and the folder says so (`trained: false`).
 * @throws OptionError, ModelError
 */
export async function initModel(options: InitOptions): Promise<ModelFolder> {
  const { architecture, seed, width = 1, dir, overwrite = false } = options;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new OptionError(
      `Expected a whole number from 0 to 4294967295 for seed but found ${seed}.`,
    );
  }
  const { classes, includeTop, signal } = options;
  const built = buildArchitecture(architecture, { width, classes, includeTop });
  await checkReplaceable(dir, overwrite);
  const scales = kernelScales(built.topology, built.preprocessing === 'caffe' ? 64 : 1);
  return writeModelFolder(dir, {
    topology: built.topology,
    metadata: {
      architecture: built.name,
      preprocessing: built.preprocessing,
      inputSize: built.inputSize,
      trained: false,
      source: { kind: 'seeded', seed, width },
    },
    weights: streams(built.weights, seed, scales),
    generatedBy: `img2features model init, seed ${seed}: not trained`,
    overwrite,
    signal,
  });
}

function* streams(
  weights: readonly WeightSpec[],
  seed: number,
  scales: ReadonlyMap<string, SeededScale>,
): Generator<WeightStream> {
  for (const spec of weights) {
    const layer = spec.name.slice(0, spec.name.lastIndexOf('/'));
    yield { spec, chunks: seededWeights(spec, seed, scales.get(layer)!) };
  }
}

/**
 * Gains that keep every layer's values near 1: He's 2 where a rectifier came before, 1 where none
 * did, and a quarter of that where the result is added to a shortcut, so that a chain of residual
 * blocks does not double the variance with each. The first layer brings pixels of about ±64 to 1.
 */
function kernelScales(
  topology: Readonly<Record<string, unknown>>,
  pixelScale: number,
): Map<string, SeededScale> {
  const layers = listLayers(topology);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const isRectified = (name: string | undefined): boolean => {
    const layer = byName.get(name ?? '');
    if (layer === undefined) return false;
    if (layer.className === 'ReLU' || layer.config.activation === 'relu') return true;
    const keeps = /Pooling2D$|^(ZeroPadding2D|Flatten)$/.test(layer.className);
    return keeps && isRectified(layer.inbound[0]);
  };
  // The last convolution of a residual branch: conv → BN → Add's second input.
  const branchEnds = new Set(
    layers
      .filter((layer) => layer.className === 'Add')
      .map((layer) => byName.get(layer.inbound[1])?.inbound[0]),
  );
  return new Map(
    layers.map(({ name, inbound }) => {
      const gain = (isRectified(inbound[0]) ? 2 : 1) / (branchEnds.has(name) ? 4 : 1);
      const source = byName.get(inbound[0] ?? '');
      const isPadding = source?.className === 'ZeroPadding2D';
      const pixels = isPadding ? byName.get(source.inbound[0]) : source;
      const seesPixels = pixels?.className === 'InputLayer';
      return [name, { gain, inputScale: seesPixels ? pixelScale : 1 }];
    }),
  );
}
