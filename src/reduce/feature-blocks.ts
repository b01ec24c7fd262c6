/** Feature vectors that can be read more than once, in row order, a block at a time. */
export interface FeatureBlocks {
  /** Values in each vector. */
  readonly dims: number;
  /** Rows in all blocks together. */
  readonly count: number;
  /** float32 [n, dims] row-major; the same rows in the same order at each call. */
  blocks(): AsyncIterable<FeatureBlock>;
}

export interface FeatureBlock {
  readonly values: Float32Array;
  readonly n: number;
}
