/**
 * Messages between the run and its engine process: lines of JSON over two pipes, one for each way. Pixels and features are
 * in memory that both have (batch-memory.ts).
 *
 * run -> engine: start, then batches and trials, then close. engine -> run, with the `id` of what it answers and in that order:
 * ready, then done for each batch and trial; or failed.
 */

import type { ModelFolder } from '../model/model-folder.ts';
import type { DeviceChoice } from '../runtime/choose-device.ts';
import type { ConvolutionKind, EngineInfo, EngineKind, Precision } from './engine.ts';
import type { ResolvedLayer } from './resolve-layers.ts';

export type EngineRequest = StartMessage | BatchMessage | TrialMessage | CloseMessage;
export type EngineReply = ReadyMessage | DoneMessage | FailedMessage;

/** A message as it is sent. */
export type Numbered<T> = T & { readonly id: number };

export interface StartMessage {
  readonly type: 'start';
  readonly folder: ModelFolder;
  readonly layers: readonly ResolvedLayer[];
  readonly choice: DeviceChoice;
  readonly engine: 'auto' | EngineKind;
  readonly precision: Precision;
  readonly conv: 'auto' | ConvolutionKind;
  /** What `auto` takes where both are possible; undefined: the one that is measured to be faster. */
  readonly convOfRun?: ConvolutionKind | undefined;
  /** CPU threads for the network; 0 = the library's choice. */
  readonly threads: number;
  /** Path of the addon that maps the memory; undefined: it is a file to read and write. */
  readonly memoryAddon?: string | undefined;
}

export interface ReadyMessage
  extends Pick<
    EngineInfo,
    | 'device'
    | 'deviceReason'
    | 'library'
    | 'engine'
    | 'engineReason'
    | 'conv'
    | 'convReason'
    | 'inputSize'
    | 'outputs'
  > {
  readonly type: 'ready';
  /** Milliseconds to load the library. */
  readonly libraryMs: number;
  /** Milliseconds to build the model and read its weights. */
  readonly modelMs: number;
}

/** A batch of noise, to warm up or to measure. */
export interface TrialMessage {
  readonly type: 'trial';
  /** Images in the batch. Unlike a batch it fails where memory does not hold them all at once. */
  readonly images: number;
}

export interface BatchMessage {
  readonly type: 'batch';
  readonly images: number;
  /**
   * Its part of the memory, which begins with the pixels, uint8 RGB [images, height, width, 3]; the outputs go behind them
   * (`outputsOffset`), float32 [images, length], one after the other.
   */
  readonly offset: number;
  readonly bytes: number;
}

/** No batch follows. */
export interface CloseMessage {
  readonly type: 'close';
}

export interface DoneMessage {
  readonly type: 'done';
  /** Milliseconds from pixels ready to outputs read. */
  readonly busyMs: number;
  /** `tf.memory().numTensors` after the batch: flat, or the engine leaks. */
  readonly numTensors: number;
  /** Largest resident memory of the engine process so far, bytes. */
  readonly peakRssBytes: number;
  /** Most images that run at once since memory ran out; absent while it never did. */
  readonly halvedTo?: number;
}

export interface FailedMessage {
  readonly type: 'failed';
  /** Tag of the error class in errors.ts. */
  readonly tag: 'engine' | 'model' | 'option' | 'runtime';
  readonly message: string;
  readonly fix?: string;
  /** The batch was too large for the memory. */
  readonly isOutOfMemory?: true;
  /** TensorFlow was to use a GPU and uses none. */
  readonly isGpuUnused?: true;
}

/** Lines of a text that comes in pieces cut anywhere. */
export class Lines {
  #pieces: string[] = [];

  /** @returns the lines that this piece completes */
  push(piece: string): string[] {
    const [first, ...others] = piece.split('\n');
    this.#pieces.push(first);
    if (others.length === 0) return [];
    const rest = others.pop()!;
    const lines = [this.#pieces.join(''), ...others];
    this.#pieces = [rest];
    return lines;
  }
}
