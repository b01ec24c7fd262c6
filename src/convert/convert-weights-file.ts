import { ModelError, OptionError } from '../errors.ts';
import { ARCHITECTURE_NAMES } from '../model/architectures/architecture.ts';
import { buildArchitecture } from '../model/architectures/build-architecture.ts';
import { inferVariant } from '../model/architectures/infer-variant.ts';
import type { ConversionPlan, ConvertModelOptions, KerasFile } from './conversion-plan.ts';
import { standardNetworksOf } from './recognise-architecture.ts';
import { nameWeights } from './weights/name-weights.ts';
import { checkFloat } from './weights/pair-weights.ts';
import type { StoredLayer } from './weights/stored-layer.ts';

/**
 * A file of weights alone: the network comes from `arch` or from the layers' names, its widths, fc
 * units and classes from the weights' shapes.
 * @throws ModelError
 */
export function convertWeightsFile(file: KerasFile, options: ConvertModelOptions): ConversionPlan {
  const { layers } = file.weights;
  if (options.until !== undefined) {
    throw new OptionError(
      `Expected a file with the whole model for --until but found a file of weights alone, ${options.file}.`,
      { fix: 'Leave --until away and name the layer in each run: --layer.' },
    );
  }
  const name = options.arch ?? recogniseByNames(layers);
  if (name === undefined) {
    const found = layers.slice(0, 3).map((layer) => `"${layer.name ?? layer.storeKey}"`);
    throw new ModelError(
      `Expected the layers of ${ARCHITECTURE_NAMES.join(', ')} in ${options.file}, a file of weights alone, but found ${found.join(', ') || 'none'}${layers.length > 3 ? ', …' : ''}.`,
      {
        fix: 'Say which network it is (--arch), or convert a file with the whole model: model.save("model.keras").',
      },
    );
  }
  if (options.arch === undefined) options.onNote?.(`recognised a ${name} by its layers' names`);
  const stored = nameWeights([...standardNetworksOf(name)], layers);
  const shapes = new Map([...stored].map(([weight, { dataset }]) => [weight, dataset.shape]));
  const variant = inferVariant(name, shapes);
  const built = buildArchitecture(name, sized(variant, options));
  return {
    topology: built.topology,
    architecture: built.name,
    preprocessing: options.preprocessing ?? built.preprocessing,
    inputSize: built.inputSize,
    weights: built.weights.map((spec) => {
      const weight = stored.get(spec.name)!;
      checkFloat(spec.name, weight);
      return { spec, stored: weight };
    }),
  };
}

/** Without Flatten the weights leave the input size open; else they fix it. */
function sized(
  variant: ReturnType<typeof inferVariant>,
  { inputSize }: ConvertModelOptions,
): ReturnType<typeof inferVariant> {
  if (inputSize === undefined || String(inputSize) === String(variant.inputSize)) return variant;
  if (variant.includeTop && variant.fcUnits.length > 0) {
    throw new OptionError(
      `Expected an input size of ${variant.inputSize.join('×')}, which these weights fix, but found ${inputSize.join('×')}.`,
    );
  }
  return { ...variant, inputSize };
}

function recogniseByNames(layers: readonly StoredLayer[]): string | undefined {
  const found = namesOf(layers.flatMap((layer) => layer.name ?? []));
  return ARCHITECTURE_NAMES.find((name) =>
    [...standardNetworksOf(name)].some((network) => {
      const weighted = network.layers.filter((layer) => layer.weights.length > 0);
      return namesOf(weighted.map((layer) => layer.name)) === found;
    }),
  );
}

function namesOf(names: readonly string[]): string {
  return [...names].sort().join('\n');
}
