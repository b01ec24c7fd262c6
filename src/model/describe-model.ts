import { shapeSize } from './count-values.ts';
import { inferLayerShapes } from './layer-shapes.ts';
import type { ModelFolder } from './model-folder.ts';
import { type FeatureSuggestion, suggestFeatures } from './suggest-features.ts';
import { type OpenShape, outputLayerNames } from './topology-layers.ts';
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
      params: own.reduce((sum, { shape }) => sum + shapeSize(shape), 0),
      length: lengthOf(outputShape),
    })),
    params: weights.reduce((sum, { shape }) => sum + shapeSize(shape), 0),
    defaultLayer: outputLayerNames(topology)[0],
    features: suggestFeatures(topology, shapes),
  };
}

function lengthOf(shape: OpenShape): number | null {
  return shape.includes(null) ? null : shapeSize(shape as readonly number[]);
}
