import type { LayerShape } from './layer-shapes.ts';
import { listLayers } from './topology-layers.ts';

/** A layer that makes good features, as `--layer` takes it. */
export interface FeatureSuggestion {
  /** "fc1", or with pooling "block5_pool:avg". */
  readonly request: string;
  /** Values in the vector. */
  readonly length: number;
  readonly why: string;
}

/**
 * Which layers to take features from, best first. Vectors: global pooling and hidden fully
 * connected layers, the last one first, without the classifier (its values are classes). Then the
 * last two resolutions under average pooling: the pooling layer there, or else the last layer
 * before the picture shrinks again.
 */
export function suggestFeatures(
  topology: Readonly<Record<string, unknown>>,
  shapes: readonly LayerShape[],
): FeatureSuggestion[] {
  const rows = listLayers(topology);
  const classifiers = new Set(
    rows.filter(({ config }) => config.activation === 'softmax').map(({ name }) => name),
  );
  const vectors = shapes
    .filter(({ name, className, outputShape }) => {
      if (outputShape.length !== 1 || outputShape[0] === null) return false;
      if (className === 'Dense') return !classifiers.has(name);
      return GLOBAL_POOLING.test(className);
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
  const maps = lastMaps(shapes).filter(({ name }) => !averaged.has(name));
  return [
    ...vectors,
    ...maps.map(({ name, outputShape: [height, width, channels] }) => ({
      request: `${name}:avg`,
      length: channels!,
      why: `average over ${height ?? '?'}×${width ?? '?'} places`,
    })),
  ];
}

const GLOBAL_POOLING = /^Global(Average|Max)Pooling2D$/;
const POOLING = /^(Max|Average)Pooling2D$/;

/** The layer that represents each of the last two resolutions, the smallest picture first. */
function lastMaps(shapes: readonly LayerShape[]): LayerShape[] {
  const stages = new Map<string, LayerShape[]>();
  for (const shape of shapes) {
    const [height, width, channels] = shape.outputShape;
    const isMap = shape.outputShape.length === 3 && channels !== null;
    if (!isMap || /^(InputLayer|ZeroPadding2D)$/.test(shape.className)) continue;
    const resolution = `${height}×${width}`;
    stages.set(resolution, [...(stages.get(resolution) ?? []), shape]);
  }
  return [...stages.values()]
    .slice(-2)
    .reverse()
    .map(
      (stage) =>
        stage.findLast(({ className }) => POOLING.test(className)) ?? stage[stage.length - 1],
    );
}
