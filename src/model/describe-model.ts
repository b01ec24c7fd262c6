import { inferLayerShapes, type LayerShape } from './layer-shapes.ts';
import type { ModelFolder } from './model-folder.ts';
import { listLayers, type OpenShape, outputLayerNames } from './topology-layers.ts';
import { traceLayerShapes } from './trace-layer-shapes.ts';

export interface LayerDescription {
  readonly name: string;
  /** Keras' class name, e.g. "Conv2D". */
  readonly className: string;
  /** Without the batch dimension; null where the model leaves the size open. */
  readonly outputShape: OpenShape;
  /** Number of weights, trainable or not. */
  readonly params: number;
  /** Values a vector has when the output is flattened (`--pool none`); null for an open size. */
  readonly length: number | null;
}

/** A layer that makes good features, as `--layer` takes it. */
export interface FeatureSuggestion {
  /** "fc1", or with pooling "block5_pool:avg". */
  readonly request: string;
  /** Values in the vector. */
  readonly length: number;
  readonly why: string;
}

export interface ModelDescription {
  readonly layers: readonly LayerDescription[];
  /** All weights of model.json. */
  readonly params: number;
  /** What `--layer` takes when it is not given: the model's last layer. */
  readonly defaultLayer: string;
  /** Best first. */
  readonly features: readonly FeatureSuggestion[];
}

/**
 * Shapes and parameter counts of every layer, and which layers to take features from.
 * @throws ModelError when the topology is not a network that tfjs can build
 */
export async function describeModel(
  folder: Pick<ModelFolder, 'topology' | 'weights'>,
): Promise<ModelDescription> {
  const { topology, weights } = folder;
  const shapes = inferLayerShapes(topology) ?? (await traceLayerShapes(topology));
  return {
    layers: shapes.map(({ name, className, outputShape, weights: own }) => ({
      name,
      className,
      outputShape,
      params: own.reduce((sum, { shape }) => sum + product(shape), 0),
      length: lengthOf(outputShape),
    })),
    params: weights.reduce((sum, { shape }) => sum + product(shape), 0),
    defaultLayer: outputLayerNames(topology)[0]!,
    features: suggestFeatures(topology, shapes),
  };
}

/**
 * Vectors first: global pooling and hidden fully connected layers, last one first, without the
 * classifier (its values are classes). Then the last two resolutions under average pooling: the
 * pooling layer there, or else the last layer before the picture shrinks again.
 */
function suggestFeatures(
  topology: Readonly<Record<string, unknown>>,
  shapes: readonly LayerShape[],
): FeatureSuggestion[] {
  const rows = listLayers(topology);
  const configs = new Map(rows.map((layer) => [layer.name, layer.config]));
  const vectors = shapes
    .filter(({ name, className, outputShape }) => {
      if (outputShape.length !== 1 || outputShape[0] === null) return false;
      if (/^Global(Average|Max)Pooling2D$/.test(className)) return true;
      return className === 'Dense' && configs.get(name)?.activation !== 'softmax';
    })
    .reverse()
    .map(({ name, className, outputShape }) => ({
      request: name,
      length: outputShape[0]!,
      why: className === 'Dense' ? 'fully connected' : 'pooled over all places',
    }));
  // Averaging what the model itself averages would be the same vector under a second name.
  const averaged = new Set(
    rows.filter((row) => row.className === 'GlobalAveragePooling2D').flatMap((row) => row.inbound),
  );
  return [...vectors, ...suggestPooled(shapes).filter(({ layer }) => !averaged.has(layer))].map(
    ({ request, length, why }) => ({ request, length, why }),
  );
}

function suggestPooled(shapes: readonly LayerShape[]) {
  const stages = new Map<string, LayerShape[]>();
  for (const shape of shapes) {
    if (shape.outputShape.length !== 3 || /^(InputLayer|ZeroPadding2D)$/.test(shape.className)) {
      continue;
    }
    const resolution = `${shape.outputShape[0]}×${shape.outputShape[1]}`;
    stages.set(resolution, [...(stages.get(resolution) ?? []), shape]);
  }
  return [...stages]
    .slice(-2)
    .reverse()
    .flatMap(([resolution, layers]) => {
      const pooling = layers.findLast(({ className }) =>
        /^(Max|Average)Pooling2D$/.test(className),
      );
      const { name, outputShape } = pooling ?? layers[layers.length - 1]!;
      const channels = outputShape[2];
      return channels == null
        ? []
        : [
            {
              layer: name,
              request: `${name}:avg`,
              length: channels,
              why: `average over ${resolution} places`,
            },
          ];
    });
}

function lengthOf(shape: OpenShape): number | null {
  return shape.includes(null) ? null : product(shape as readonly number[]);
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
