/** Keras 1's names of layers and fields in those of Keras 2: `Convolution2D(nb_filter, border_mode)` is `Conv2D(filters, padding)`. */
import { isObject, type JsonObject, type KerasObject } from '../keras-json.ts';

const CLASSES: Readonly<Record<string, string>> = {
  Convolution2D: 'Conv2D',
  AtrousConvolution2D: 'Conv2D',
  SeparableConvolution2D: 'SeparableConv2D',
};

const MERGES: Readonly<Record<string, string>> = {
  sum: 'Add',
  mul: 'Multiply',
  ave: 'Average',
  max: 'Maximum',
  concat: 'Concatenate',
};

const FIELDS: Readonly<Record<string, string>> = {
  nb_filter: 'filters',
  border_mode: 'padding',
  subsample: 'strides',
  atrous_rate: 'dilation_rate',
  dim_ordering: 'data_format',
  bias: 'use_bias',
  p: 'rate',
  sigma: 'stddev',
};

/** Fields that only training or building the layer needs. */
const DROPPED = new Set(['init', 'input_dtype', 'input_length', 'nb_row', 'nb_col']);

/** Layers of later Keras pass as they are: none of them has these names. */
export function renameKeras1(layer: KerasObject): KerasObject {
  const { class_name, config } = layer;
  const merge = class_name === 'Merge' && MERGES[String(config.mode)];
  if (merge) {
    const axis = merge === 'Concatenate' ? { axis: config.concat_axis } : {};
    return { ...layer, class_name: merge, config: { name: config.name, trainable: true, ...axis } };
  }
  return { ...layer, class_name: CLASSES[class_name] ?? class_name, config: renamed(layer) };
}

function renamed({ class_name, config }: KerasObject): JsonObject {
  const found: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(config)) {
    if (!DROPPED.has(field)) found[FIELDS[field] ?? field] = value;
  }
  const { data_format: format, output_dim: units, padding, layer: inner } = found;
  if (format === 'tf') found.data_format = 'channels_last';
  if (format === 'th') found.data_format = 'channels_first';
  if (config.nb_row !== undefined) found.kernel_size = [config.nb_row, config.nb_col];
  if (class_name === 'Dense' && units !== undefined) {
    found.units = units;
    delete found.output_dim;
  }
  // Over each feature with the trained statistics, as later Keras always does.
  if (class_name === 'BatchNormalization' && config.mode === 0) delete found.mode;
  if (class_name === 'ZeroPadding2D') found.padding = bothSides(padding);
  if (isObject(inner) && typeof inner.class_name === 'string' && isObject(inner.config)) {
    found.layer = renameKeras1(inner as unknown as KerasObject);
  }
  return found;
}

/** [top, bottom, left, right], or the same by name. */
function bothSides(padding: unknown): unknown {
  const sides = isObject(padding)
    ? ['top_pad', 'bottom_pad', 'left_pad', 'right_pad'].map((side) => padding[side] ?? 0)
    : padding;
  if (!Array.isArray(sides) || sides.length !== 4) return padding;
  return [sides.slice(0, 2), sides.slice(2)];
}
