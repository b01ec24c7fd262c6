import type { EngineInfo, EngineOutput } from '../engine/engine.ts';
import type { RejectReason } from '../image/decode-error.ts';

/** An image as its file's bytes, or the file's path or `file:` URL. */
export type ImageInput = Uint8Array | string | URL;

/** The result for one image. */
export type Embedding = {
  /** Position in the call's list. */
  readonly index: number;
  /** The path as given; undefined for bytes. */
  readonly origin: string | undefined;
} & (
  | {
      /** float32 [length] of the first output. */
      readonly vector: Float32Array;
      /** The same for every output, in the order of `model.outputs`. */
      readonly vectors: readonly Float32Array[];
      readonly rejection?: undefined;
    }
  | {
      readonly vector?: undefined;
      readonly vectors?: undefined;
      /** Why there is no vector. */
      readonly rejection: ImageFault;
    }
);

export interface ImageFault {
  /** As in rejected.jsonl. */
  readonly reason: RejectReason;
  readonly message: string;
}

/** A network that takes images. One engine process and a few decoding threads, until it is closed. */
export interface Model extends AsyncDisposable {
  /** One for each vector: layer, pool, length. */
  readonly outputs: readonly EngineOutput[];
  /** Device, library, and why. */
  readonly info: EngineInfo;
  /**
   * Vectors of images, in the order given; a bad image is a row with `rejection`, never an error. Calls
   * may overlap: their images share batches, whose shape can change the last bits of a vector.
   * Bytes are copied only when they are decoded: do not change them before the promise resolves.
   * @throws Interrupted when `signal` fires; EngineError when the network fails or the model is closed;
   *   OptionError for what is neither bytes nor a path
   */
  embed(
    images: readonly ImageInput[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Embedding[]>;
  /** Ends the process and the threads; open calls are rejected. Safe to call again. */
  close(): Promise<void>;
}
