import type { WeightSpec } from '../model/model-folder.ts';
import type { Preprocessing } from '../options/preprocessing.ts';
import type { KerasObject } from './keras-json.ts';
import type { StoredWeight, WeightStore } from './weights/stored-layer.ts';

export interface ConvertModelOptions {
  /** A Keras .h5, .weights.h5 or .keras file, or a folder with model.json; its content decides, not its name. */
  readonly file: string;
  /** The model folder to make. */
  readonly dir: string;
  /** A name of ARCHITECTURE_NAMES or KERAS_NETWORKS: for files of weights whose layers do not say it. */
  readonly arch?: string;
  /** What the model was trained with. Needed unless it scales its pixels itself, or begins as one of keras.applications. */
  readonly preprocessing?: Preprocessing;
  /** Input height and width, for a model that leaves them open. */
  readonly inputSize?: readonly [height: number, width: number];
  /** The last layer, or model inside, to keep: what stands behind it is not read and may be of any kind. */
  readonly until?: string;
  /** Replace a model that is in `dir` already. */
  readonly overwrite?: boolean;
  /** Bytes of weights written so far, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Something worth a line on the screen, e.g. what was recognised. */
  readonly onNote?: (note: string) => void;
  /** The longest wait for one read of a damaged file, milliseconds; default 60,000. */
  readonly readTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** All that is decided before the first weight is read. */
export interface ConversionPlan {
  readonly topology: Record<string, unknown>;
  readonly architecture: string | null;
  readonly preprocessing: Preprocessing;
  readonly inputSize: readonly [height: number, width: number];
  /** Name of a model inside → the layer that gives its output. */
  readonly nested?: Readonly<Record<string, string>>;
  /** In the order in which they are written. */
  readonly weights: readonly { readonly spec: WeightSpec; readonly stored: StoredWeight }[];
}

/** An open file of a model, whichever tool wrote it. */
export interface KerasFile {
  /** For people and model.json: which of Keras' layouts it is. */
  readonly format: string;
  /** The file that holds the weights; of a tfjs model, which tool wrote it. */
  readonly origin:
    | { readonly kind: 'keras'; readonly path: string }
    | { readonly kind: 'tfjs'; readonly by: string };
  readonly weights: WeightStore;
  /** The model's own description; undefined in a file of weights alone. */
  readonly model: KerasObject | undefined;
  /** As the file says; "" where it does not. */
  readonly kerasVersion: string;
  /** What the user must know about it, a sentence each. */
  readonly notes?: readonly string[];
  /** Where the tool that wrote the file takes one only. */
  readonly preprocessing?: Preprocessing;
  /** Little-endian float32 values of one of its weights, some MiB at a time. */
  readWeight(weight: StoredWeight): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}
