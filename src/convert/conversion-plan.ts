import type { Preprocessing, WeightSpec } from '../model/model-folder.ts';
import type { StoredWeight } from './weights/stored-layer.ts';

/** All that is decided before the first weight is read. */
export interface ConversionPlan {
  readonly topology: Record<string, unknown>;
  readonly architecture: string | null;
  readonly preprocessing: Preprocessing;
  readonly inputSize: readonly [height: number, width: number];
  /** In the order in which they are written. */
  readonly weights: readonly { readonly spec: WeightSpec; readonly stored: StoredWeight }[];
}
