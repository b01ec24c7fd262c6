import type { LayerRow } from '../../model/architectures/keras-layers.ts';
import type { OpenShape } from '../../model/topology-layers.ts';
import type { GraphBuilder, Value } from './graph-builder.ts';
import type { Norm } from './weight-source.ts';

/** A layer, and what a rule needs to add its nodes. */
export interface LayerContext {
  readonly builder: GraphBuilder;
  readonly row: LayerRow;
  /** Prefix for the layer's nodes: its name, made valid for TensorFlow. */
  readonly name: string;
  readonly inputs: readonly Value[];
  /** Without the batch axis. */
  readonly inputShapes: readonly OpenShape[];
  readonly outputShape: OpenShape;
  /** The last side of the first input and of the output: known where a layer has weights. */
  readonly channels: readonly [read: number, made: number];
  /** The batch normalisation that this convolution takes in. */
  readonly norm: Norm | undefined;
  /** Whether a bias is added by AddV2, which TensorFlow does not fuse with the convolution. */
  readonly addsUnfused: boolean;
  /** Whether our own operation for 3×3 convolutions is there. */
  readonly mayUseWinograd: boolean;
  /** Whether our own operations for 1×1 and depthwise convolutions are. */
  readonly mayFuse: boolean;
  /** Called by a convolution that does the 2×2 pooling after it, too; undefined where none follows. */
  readonly takePooling: (() => void) | undefined;
}

/** The same values in another shape, given without the batch axis. */
export function reshaped(
  { builder }: LayerContext,
  name: string,
  value: Value,
  shape: OpenShape,
): Value {
  const target = [-1, ...(shape as readonly number[])];
  const sides = builder.ints(`${name}/shape`, [target.length], target);
  return builder.compute(
    'Reshape',
    name,
    [value.name, sides],
    { Tshape: { type: 'int32' } },
    value.isFloat,
  );
}
