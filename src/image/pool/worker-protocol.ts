import type { DecodedChunk, DecodeOptions, DecodeTask } from '../decoded-chunk.ts';

/** What a decode worker is started with; what to decode comes with the chunks. */
export interface WorkerStart {
  /** Shared, see SLOT: where the worker is. It remains when the worker has ended. */
  readonly current: Int32Array;
  /** See `once-per-process.ts`, which reads it. */
  readonly processGate: Int32Array;
}

/** What each int32 of `current` holds. */
export const SLOT = {
  /** Id of the chunk in work. */
  job: 0,
  /** Position of the task in its chunk. */
  position: 1,
  /** Goes up when an image's decoding begins and when it ends: odd in between. */
  turns: 2,
} as const;

/** To the worker: one chunk. */
export interface WorkerRequest extends WorkerOrders {
  readonly id: number;
  readonly tasks: readonly DecodeTask[];
}

/** The same with every chunk of a pool. */
export interface WorkerOrders {
  readonly options: DecodeOptions;
  /** File that names the images in work, for the case that the whole process ends. */
  readonly journal: string | undefined;
}

/**
 * From the worker: its result, or an error that no image caused, and where in the chunk it came.
 */
export type WorkerReply =
  | { readonly id: number; readonly chunk: DecodedChunk }
  | { readonly id: number; readonly failure: string; readonly position: number };
