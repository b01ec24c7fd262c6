import type { H5Dataset } from '../h5/h5-inventory.ts';

/** One tensor in the file. */
export interface StoredWeight {
  /** Path of its dataset inside the HDF5 file. */
  readonly path: string;
  /** "kernel", "gamma", "depthwise_kernel" …; a bare number in .weights.h5. */
  readonly name: string;
  readonly dataset: H5Dataset;
}

/** A layer that has weights, as the file groups them. */
export interface StoredLayer {
  /** Undefined in .weights.h5 of Keras before 3.6, which keeps no layer names. */
  readonly name: string | undefined;
  /** Its group in .weights.h5, e.g. "conv2d_3"; undefined in the older layout. */
  readonly storeKey: string | undefined;
  readonly weights: readonly StoredWeight[];
}

/** Where a layer of the model is to be looked for: outer models first. */
export interface LayerAddress {
  readonly names: readonly string[];
  readonly storeKeys: readonly (string | undefined)[];
}

/** The weights of a file, in either layout. */
export interface WeightStore {
  /** Layers with weights, in the file's order. */
  readonly layers: readonly StoredLayer[];
  /** The weights of one layer, in the layer's order; undefined when the file has none for it. */
  find(address: LayerAddress): readonly StoredWeight[] | undefined;
}
