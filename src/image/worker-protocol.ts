import type { DecodedChunk, DecodeOptions, DecodeTask } from './decoded-chunk.ts';

/** What a decode worker is started with. */
export interface WorkerStart {
  readonly options: DecodeOptions;
  /**
   * One int32, shared: the position in its chunk of the task in work. It outlives the worker's
   * death.
   */
  readonly current: Int32Array;
  /** See `once-per-process.ts`, which reads it. */
  readonly processGate: Int32Array;
}

/** To the worker: one chunk. */
export interface WorkerRequest {
  readonly id: number;
  readonly tasks: readonly DecodeTask[];
}

/**
 * From the worker: its result, or an error that is no image's fault and where in the chunk it came.
 */
export type WorkerReply =
  | { readonly id: number; readonly chunk: DecodedChunk }
  | { readonly id: number; readonly failure: string; readonly position: number };
