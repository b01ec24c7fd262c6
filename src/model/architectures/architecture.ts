import type { Preprocessing } from '../../options/preprocessing.ts';
import type { LayerRow } from './keras-layers.ts';

export const ARCHITECTURE_NAMES = [
  'vgg16',
  'vgg19',
  'resnet50',
  'mobilenetv2',
  'efficientnet-lite0',
] as const;
export type ArchitectureName = (typeof ARCHITECTURE_NAMES)[number];

/** Everything that may differ between two models of one architecture. */
export interface Variant {
  /** Output channels of each stage; what a stage is, `Architecture.stages` says. */
  readonly widths: readonly number[];
  /** Units of the fully connected layers before the classifier; empty where there are none. */
  readonly fcUnits: readonly number[];
  /** Units of `predictions`. */
  readonly classes: number;
  /** False: the model ends at its last convolutional output, as Keras' `include_top=False`. */
  readonly includeTop: boolean;
  /** Input height and width, pixels. */
  readonly inputSize: readonly [height: number, width: number];
}

/** One network as data: of keras.applications, with the names of its layers, or EfficientNet-Lite0. */
export interface Architecture {
  readonly name: ArchitectureName;
  /** What keras.applications calls the model itself. */
  readonly modelName: string;
  readonly preprocessing: Preprocessing;
  /** The variant that keras.applications builds without arguments. */
  readonly standard: Variant;
  /**
   * The layer whose kernel's output channels give the width of stage i: how a narrow variant is
   * recognised from its weights.
   */
  readonly stages: readonly string[];
  /** The fully connected layers that `Variant.fcUnits` sizes, in order. */
  readonly fcLayers: readonly string[];
  /** Channels of a stage when the network is made `multiplier` times as wide. */
  scale(channels: number, multiplier: number): number;
  /** The layers in Keras' own order (`model.layers`). */
  layers(variant: Variant): LayerRow[];
}

/** Network widths must stay whole numbers above zero. */
export function scaleRounded(channels: number, multiplier: number): number {
  return Math.max(1, Math.round(channels * multiplier));
}

/**
 * Keras' `_make_divisible(int(channels * alpha), 8)`. Narrowing is the use here, so the last convolution
 * shrinks too; Keras' own alpha < 1 leaves MobileNetV2's at 1280 (`widths` can say so).
 */
export function scaleDivisible(channels: number, alpha: number): number {
  const wanted = Math.trunc(channels * alpha);
  const rounded = Math.max(8, Math.trunc((wanted + 4) / 8) * 8);
  return rounded < 0.9 * wanted ? rounded + 8 : rounded;
}

export function isArchitectureName(name: string): name is ArchitectureName {
  return (ARCHITECTURE_NAMES as readonly string[]).includes(name);
}
