/** What the HDF5 worker says about a file, and the messages between it and its client. */

export interface H5Dataset {
  readonly shape: readonly number[];
  readonly dtype: H5Dtype;
  /** Stored element size, bytes. */
  readonly itemBytes: number;
  /** Chunk shape of a chunked (perhaps compressed) dataset; null = one contiguous block. */
  readonly chunks: readonly number[] | null;
}

/** Float kinds are the ones that weights can have; "other" is never read. */
export type H5Dtype = 'bfloat16' | 'float16' | 'float32' | 'float64' | 'other';

export interface H5Group {
  /** Only the attributes that Keras writes; strings, or lists of strings. */
  readonly attributes: Readonly<Record<string, string | readonly string[]>>;
  readonly groups: Readonly<Record<string, H5Group>>;
  readonly datasets: Readonly<Record<string, H5Dataset>>;
}

/** A hyperslab: `count` elements along the first axis from `start`, all of the others. */
export interface ReadRequest {
  readonly id: number;
  readonly path: string;
  readonly start: number;
  readonly count: number;
}

export type H5Reply =
  | { readonly kind: 'inventory'; readonly root: H5Group }
  | { readonly kind: 'rows'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly id: number | undefined; readonly reason: string };
