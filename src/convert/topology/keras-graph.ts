/** A Keras model's JSON as a graph: one form for Sequential and Functional, Keras 2 and 3. */

import type { JsonObject } from '../keras-json.ts';

/** Output `tensor` of the layer's call number `node`. */
export interface TensorRef {
  readonly layer: string;
  readonly node: number;
  readonly tensor: number;
}

/** One entry of a call's argument list: another layer's output, or a plain value. */
export type Argument = { readonly ref: TensorRef } | { readonly value: unknown };

export interface LayerCall {
  /** Positional arguments; a list of tensors is spread. */
  readonly args: readonly Argument[];
  readonly kwargs: JsonObject;
}

export interface KerasLayer {
  readonly className: string;
  readonly module: string;
  readonly name: string;
  readonly config: JsonObject;
  readonly calls: readonly LayerCall[];
  /** The group that holds its variables in .weights.h5, e.g. "conv2d_3"; undefined: it has none. */
  readonly storeKey: string | undefined;
  /** A model used as a layer. */
  readonly graph: KerasGraph | undefined;
}

export interface KerasGraph {
  readonly name: string;
  readonly layers: readonly KerasLayer[];
  readonly inputs: readonly TensorRef[];
  readonly outputs: readonly TensorRef[];
}
