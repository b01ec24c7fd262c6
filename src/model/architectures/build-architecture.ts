import { ModelError, OptionError } from '../../errors.ts';
import type { Preprocessing } from '../../options/preprocessing.ts';
import { inferLayerShapes, type LayerShape } from '../layer-shapes.ts';
import type { WeightSpec } from '../model-folder.ts';
import { ARCHITECTURE_NAMES, type Architecture, type Variant } from './architecture.ts';
import { EFFICIENTNET_LITE0 } from './efficientnet-lite0.ts';
import type { LayerRow } from './keras-layers.ts';
import { MOBILENETV2 } from './mobilenetv2.ts';
import { RESNET50 } from './resnet50.ts';
import { VGG16, VGG19 } from './vgg.ts';

const ARCHITECTURES: readonly Architecture[] = [
  VGG16,
  VGG19,
  RESNET50,
  MOBILENETV2,
  EFFICIENTNET_LITE0,
];

/** Keras' own version line for a topology in the Keras 2 form. */
const KERAS_VERSION = '2.15.0';

/** What differs from the network of keras.applications; all optional. */
export interface ArchitectureOptions extends Partial<Variant> {
  /** Every stage and fc layer this many times as wide, above 0; `widths` and `fcUnits` win. */
  readonly width?: number;
}

export interface BuiltArchitecture {
  readonly name: Architecture['name'];
  readonly variant: Variant;
  /** Keras 2 model JSON with `keras_version`, `backend`, `model_config`. */
  readonly topology: Record<string, unknown>;
  /** Every layer in Keras' order with output and weight shapes. */
  readonly layers: readonly LayerShape[];
  /** Every weight in layer order, kernel before bias. */
  readonly weights: readonly WeightSpec[];
  readonly preprocessing: Preprocessing;
  readonly inputSize: readonly [height: number, width: number];
}

/**
 * Builds one of the networks as data: topology JSON and weight shapes, no tensors.
 * @throws OptionError for an unknown name or a variant that no network can have
 * @example buildArchitecture('vgg16').weights[0] // block1_conv1/kernel [3, 3, 3, 64]
 */
export function buildArchitecture(
  name: string,
  options: ArchitectureOptions = {},
): BuiltArchitecture {
  const architecture = findArchitecture(name);
  const variant = resolveVariant(architecture, options);
  const topology = toTopology(modelName(architecture, variant), architecture.layers(variant));
  const layers = inferLayerShapes(topology);
  if (layers === undefined) {
    throw new ModelError(
      `Expected an input of at least 32×32 pixels for ${name} but found ${variant.inputSize.join('×')}.`,
    );
  }
  return {
    name: architecture.name,
    variant,
    topology,
    layers,
    weights: layers.flatMap((layer) => layer.weights),
    preprocessing: architecture.preprocessing,
    inputSize: variant.inputSize,
  };
}

/** @throws OptionError naming them */
export function findArchitecture(name: string): Architecture {
  const found = ARCHITECTURES.find((architecture) => architecture.name === name);
  if (found) return found;
  throw new OptionError(
    `Expected one of ${ARCHITECTURE_NAMES.join(', ')} for the architecture but found "${name}".`,
  );
}

function resolveVariant(architecture: Architecture, options: ArchitectureOptions): Variant {
  const { standard, scale } = architecture;
  const width = options.width ?? 1;
  if (!(width > 0 && width <= 16)) {
    throw new OptionError(`Expected a number above 0 and at most 16 for width but found ${width}.`);
  }
  const scaled = (counts: readonly number[]) =>
    width === 1 ? counts : counts.map((count) => scale(count, width));
  const variant: Variant = {
    widths: options.widths ?? scaled(standard.widths),
    fcUnits: options.fcUnits ?? scaled(standard.fcUnits),
    classes: options.classes ?? standard.classes,
    includeTop: options.includeTop ?? standard.includeTop,
    inputSize: options.inputSize ?? standard.inputSize,
  };
  for (const key of ['widths', 'fcUnits'] as const) {
    if (variant[key].length !== standard[key].length) {
      throw new OptionError(
        `Expected ${standard[key].length} numbers for ${key} of ${architecture.name} but found ${variant[key].length}.`,
      );
    }
  }
  for (const count of [...variant.widths, ...variant.fcUnits, variant.classes]) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new OptionError(
        `Expected whole numbers above 0 for the widths, units and classes of ${architecture.name} but found ${count}.`,
      );
    }
  }
  return variant;
}

/** Keras' name for its own network; other widths or sizes must not claim it. */
function modelName({ name, modelName, standard }: Architecture, { widths, inputSize }: Variant) {
  const isStandard =
    String(widths) === String(standard.widths) && String(inputSize) === String(standard.inputSize);
  return isStandard ? modelName : name;
}

function toTopology(name: string, rows: readonly LayerRow[]): Record<string, unknown> {
  return {
    keras_version: KERAS_VERSION,
    backend: 'tensorflow',
    model_config: {
      class_name: 'Functional',
      config: {
        name,
        trainable: true,
        layers: rows.map((row) => ({
          class_name: row.className,
          config: row.config,
          name: row.name,
          inbound_nodes:
            row.inbound.length === 0 ? [] : [row.inbound.map((from) => [from, 0, 0, {}])],
        })),
        input_layers: [[rows[0].name, 0, 0]],
        output_layers: [[rows[rows.length - 1].name, 0, 0]],
      },
    },
  };
}
