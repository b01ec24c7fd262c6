/** The rows of one run as findings and the report read them, from its work folder or from its table. */
export interface RunRows {
  /** Rows in all batches together. */
  readonly count: number;
  /** Values in a vector; 0 where the table holds none. */
  readonly dims: number;
  /** Values in a reduced vector; 0 where the table holds none. */
  readonly k: number;
  /** In row order, the same at each call. */
  batches(): AsyncIterable<RowBatch>;
}

export interface RowBatch {
  readonly n: number;
  readonly origins: readonly string[];
  readonly targets: readonly string[];
  /** float32 [n, dims]; empty where dims is 0 */
  readonly vectors: Float32Array;
  /** float64 [n, k]; empty where k is 0 */
  readonly reduced: Float64Array;
}
