import { ModelError, OptionError } from '../errors.ts';
import { show } from '../json.ts';
import type { BuiltArchitecture } from '../model/architectures/build-architecture.ts';
import type { WeightSpec } from '../model/model-folder.ts';
import { expectFitting } from '../model/model-json.ts';
import { firstScaling, isGray } from '../model/topology-layers.ts';
import type { Preprocessing } from '../options/preprocessing.ts';
import { PREPROCESSING_CHOICES } from '../options/preprocessing.ts';
import type { ConversionPlan, ConvertModelOptions, KerasFile } from './conversion-plan.ts';
import { damaged, type KerasObject } from './keras-json.ts';
import { type Family, recogniseArchitecture, recogniseFamily } from './recognise-architecture.ts';
import { type BuiltLayer, buildWithTfjs } from './topology/build-with-tfjs.ts';
import {
  type ConvertedTopology,
  convertTopology,
  type TfjsRow,
} from './topology/convert-topology.ts';
import type { FlatLayer } from './topology/flatten-graph.ts';
import { LAYER_RULES } from './topology/layer-rules.ts';
import { parseGraph } from './topology/parse-graph.ts';
import { pairWeights } from './weights/pair-weights.ts';

/**
 * A file with the whole model: its own topology, brought into the form that tfjs reads.
 * @throws ModelError naming the layer that cannot be converted, or the weight that does not fit
 */
export async function convertFullModel(
  file: KerasFile,
  model: KerasObject,
  options: ConvertModelOptions,
): Promise<ConversionPlan> {
  const graph = parseGraph(model);
  const known = recogniseArchitecture(graph.layers);
  const family = recogniseFamily(graph);
  checkArch(known, options);
  const converted = convertTopology(graph, {
    kerasVersion: file.kerasVersion,
    isKeras3: file.kerasVersion.startsWith('3'),
    inputShape: (input) => fixedShape(input, family, options),
    until: options.until,
  });
  const inputSize = inputSizeOf(converted, family, options);
  const preprocessing = choosePreprocessing(file, family, converted, options);
  noteReducedPrecision(converted, options);
  if (file.kerasVersion.startsWith('1.')) {
    options.onNote?.(
      'Keras 1 does not write which backend trained a model: the kernels are read as those of TensorFlow; those of Theano would be turned by 180 degrees',
    );
  }
  const weights = await planWeights(file, converted, options);
  return {
    topology: converted.topology,
    architecture: options.until === undefined ? (known?.name ?? null) : null,
    preprocessing,
    inputSize,
    nested: converted.nested,
    weights,
  };
}

function checkArch(
  known: BuiltArchitecture | undefined,
  { arch, file }: ConvertModelOptions,
): void {
  if (arch === undefined || arch === known?.name) return;
  throw new OptionError(
    `Expected a ${arch} in ${file}, as --arch says, but found ${known ? `a ${known.name}` : 'a model of its own'}.`,
    { fix: 'The file describes its model itself: leave --arch away.' },
  );
}

/** A model file may leave height and width open; features need them fixed. */
function fixedShape(
  input: FlatLayer,
  family: Family | undefined,
  options: ConvertModelOptions,
): (number | null)[] {
  const shape = input.config.batch_input_shape ?? input.config.batch_shape;
  if (!Array.isArray(shape) || shape.length !== 4 || ![1, 3].includes(shape[3] ?? 3)) {
    throw new ModelError(
      `Expected images [batch, height, width, 3] (RGB) or [batch, height, width, 1] (gray) for input "${input.name}" but found ${show(shape)}.`,
      { fix: `Only models on RGB or gray images, channels last, give features here. ${CUT_INPUT}` },
    );
  }
  const size = [shape[1], shape[2]].map((side, i) => {
    const wanted = options.inputSize?.[i];
    if (side === null || side === undefined) return wanted ?? family?.side ?? null;
    if (wanted !== undefined && wanted !== side) {
      throw new OptionError(
        `Expected an input size of ${shape[1]}×${shape[2]}, which the model fixes, but found ${options.inputSize!.join('×')}.`,
      );
    }
    return side;
  });
  if (size.includes(null)) {
    throw new ModelError(
      `Expected an input size for ${options.file} but found ${show(shape)}: the model leaves it open.`,
      { fix: 'Say the size of the images it was trained on: --input-size 224 or 224x224.' },
    );
  }
  if (!size.every((side) => Number.isSafeInteger(side) && side > 0)) {
    throw damaged('a height and width in pixels', show(shape));
  }
  return [null, ...(size as number[]), shape[3] ?? 3];
}

const CUT_INPUT =
  'Where a layer needs the image alone, convert the model up to it: --until <layer>.';

function inputSizeOf(
  { inputs }: ConvertedTopology,
  family: Family | undefined,
  options: ConvertModelOptions,
): readonly [number, number] {
  if (inputs.length !== 1) {
    throw new ModelError(
      `Expected a model with one input, the image, but found ${inputs.length} inputs.`,
      { fix: CUT_INPUT },
    );
  }
  const [, height, width] = fixedShape(inputs[0], family, options);
  return [height!, width!];
}

function choosePreprocessing(
  file: KerasFile,
  family: Family | undefined,
  { topology }: ConvertedTopology,
  { preprocessing, onNote }: ConvertModelOptions,
): Preprocessing {
  const scaling = firstScaling(topology);
  if (scaling !== undefined && (preprocessing ?? 'none') !== 'none') {
    onNote?.(
      `the model begins with ${scaling}, which scales the pixels itself: preprocessing ${preprocessing} is done before it, where none is usual`,
    );
  }
  if (preprocessing !== undefined) {
    expectFitting(preprocessing, topology);
    return preprocessing;
  }
  if (file.preprocessing !== undefined) return file.preprocessing;
  if (scaling !== undefined) {
    onNote?.(
      `the model begins with ${scaling}, which scales the pixels itself: preprocessing none`,
    );
    return 'none';
  }
  // Keras' own weights are for RGB.
  if (family !== undefined && !isGray(topology)) {
    onNote?.(
      `recognised ${family.name} by its first layers: preprocessing ${family.preprocessing}`,
    );
    return family.preprocessing;
  }
  throw new ModelError(
    'Expected to know what the pixels were preprocessed with but found a model of its own.',
    {
      fix: `Say what the model was trained with: --preprocessing ${PREPROCESSING_CHOICES}; unit is x / 255, none leaves 0–255.`,
    },
  );
}

function noteReducedPrecision(
  { reducedPrecision }: ConvertedTopology,
  options: ConvertModelOptions,
) {
  if (reducedPrecision.length === 0) return;
  options.onNote?.(
    `${reducedPrecision.length} layers (${reducedPrecision[0]}, …) used half or double precision in Keras: here they calculate in float32, about 1e-3 of the largest value from Keras' own float16 and 1e-2 from bfloat16 (docs/parity.md)`,
  );
}

async function planWeights(
  file: KerasFile,
  { topology, sources }: ConvertedTopology,
  options: ConvertModelOptions,
): Promise<ConversionPlan['weights']> {
  const layers = await buildWithTfjs(topology, options.file);
  closeReshapes(topology, layers);
  return layers.flatMap(({ name, weights }) => {
    if (weights.length === 0) return [];
    const source = sources.get(name);
    const stored = source && file.weights.find(source);
    if (source === undefined || stored === undefined) {
      throw damaged(`weights for layer "${name}" in ${options.file}`, 'none');
    }
    const used = stored.slice(0, LAYER_RULES[source.className]?.storedWeights);
    const pairs = pairWeights(name, weights, used);
    return weights.map((weight, i) => {
      const spec: WeightSpec = {
        name: weight.fullName,
        shape: weight.shape,
        dtype: 'float32',
      };
      return { spec, stored: pairs[i] };
    });
  });
}

/** Readers of tfjs folders other than this one leave the −1 of a Reshape open and cannot build a Dense behind it. */
function closeReshapes(
  topology: ConvertedTopology['topology'],
  layers: readonly BuiltLayer[],
): void {
  const shapes = new Map(layers.map(({ name, outputShape }) => [name, outputShape]));
  const { config } = topology.model_config as { config: { layers: TfjsRow[] } };
  for (const row of config.layers) {
    const shape = shapes.get(row.name);
    const isClosed = shape !== undefined && !shape.includes(null);
    if (row.class_name === 'Reshape' && isClosed) row.config.target_shape = shape;
  }
}
