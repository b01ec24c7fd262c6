/**
 * Messages between the run and its engine process: frames over two pipes, one for each way.
 *
 * ```
 * offset  0  4  magic "I2FE"
 *         4  1  type (FrameType)
 *         5  3  zero
 *         8  4  id, uint32 LE: number of the batch, 0 where none is meant
 *        12  4  length of the payload in bytes, uint32 LE
 *        16  …  payload: JSON (UTF-8) or raw bytes, by type
 * ```
 * run -> engine: start, batch, placed or trial…, close. engine -> run: ready or failed; then for each batch, in the
 * order they were sent, either one output frame for each requested layer and a done frame, or a
 * failed frame. A trial, and a batch in shared memory (batch-memory.ts), are answered by a done frame alone, or a
 * failed frame.
 */

import type { ModelFolder } from '../model/model-folder.ts';
import type { DeviceChoice } from '../runtime/choose-device.ts';
import type { ConvolutionKind, EngineInfo, EngineKind, Precision } from './engine.ts';
import type { ResolvedLayer } from './resolve-layers.ts';

export const HEADER_BYTES = 16;
/** Node reads and writes at most 2^31 - 1 bytes in one call; a larger length is a damaged frame. */
export const MAX_PAYLOAD_BYTES = 2 ** 31 - 1;

const MAGIC = 0x45463249; // "I2FE" read as little-endian
const ENCODER = new TextEncoder();

export const FRAME = {
  /** JSON StartMessage. */
  start: 1,
  /** JSON ReadyMessage. */
  ready: 2,
  /** uint8 RGB [n, height, width, 3]. */
  batch: 3,
  /** float32 LE [n, length] of one requested layer. */
  output: 4,
  /** JSON DoneMessage: every output of the batch was sent. */
  done: 5,
  /** JSON FailedMessage. */
  failed: 6,
  /** Empty: no batch follows. */
  close: 7,
  /** JSON TrialMessage: a batch of noise, to warm up or to measure. */
  trial: 8,
  /** JSON PlacedMessage: a batch in shared memory. */
  placed: 9,
} as const;

export type FrameType = (typeof FRAME)[keyof typeof FRAME];

export interface FrameHeader {
  readonly type: FrameType;
  readonly id: number;
  /** Payload bytes. */
  readonly length: number;
}

export interface Frame {
  readonly type: FrameType;
  readonly id: number;
  /** Starts at offset 0 of its own ArrayBuffer, so float32 views are aligned. */
  readonly payload: Uint8Array;
}

export interface StartMessage {
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
  /** Milliseconds to load the library. */
  readonly libraryMs: number;
  /** Milliseconds to build the model and read its weights. */
  readonly modelMs: number;
}

export interface TrialMessage {
  /** Images in the batch. Unlike a batch it fails where memory does not hold them all at once. */
  readonly images: number;
}

export interface PlacedMessage {
  readonly images: number;
  /** Of the pixels, uint8 RGB [images, height, width, 3]. */
  readonly offset: number;
  /** Where the outputs go, one after the other: float32 LE [images, length]. */
  readonly outputOffset: number;
  /** All the shared memory there is. */
  readonly bytes: number;
  /** Path of the addon that maps it. */
  readonly addonPath: string;
}

export interface DoneMessage {
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
  /** Tag of the error class in errors.ts. */
  readonly tag: 'engine' | 'model' | 'option' | 'runtime';
  readonly message: string;
  readonly fix?: string;
  /** The batch was too large for the memory. */
  readonly isOutOfMemory?: true;
  /** TensorFlow was to use a GPU and uses none. */
  readonly isGpuUnused?: true;
}

/** What both ends throw when bytes are no frame. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** The 16 bytes before a payload of `length` bytes. */
export function encodeHeader({ type, id, length }: FrameHeader): Uint8Array {
  if (length > MAX_PAYLOAD_BYTES) {
    throw new ProtocolError(
      `Expected a frame of at most ${MAX_PAYLOAD_BYTES} bytes but found ${length}.`,
    );
  }
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, type);
  view.setUint32(8, id, true);
  view.setUint32(12, length, true);
  return bytes;
}

/** @throws ProtocolError when the 16 bytes are no header. */
export function decodeHeader(bytes: Uint8Array): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const magic = view.getUint32(0, true);
  if (magic !== MAGIC) {
    throw new ProtocolError(`Expected the magic "I2FE" but found 0x${magic.toString(16)}.`);
  }
  const type = view.getUint8(4);
  if (!isFrameType(type)) throw new ProtocolError(`Expected a frame type but found ${type}.`);
  const length = view.getUint32(12, true);
  if (length > MAX_PAYLOAD_BYTES) {
    throw new ProtocolError(
      `Expected a frame of at most ${MAX_PAYLOAD_BYTES} bytes but found ${length}.`,
    );
  }
  return { type, id: view.getUint32(8, true), length };
}

export function encodeJson(message: unknown): Uint8Array {
  return ENCODER.encode(JSON.stringify(message));
}

export function decodeJson<T>(payload: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(payload)) as T;
}

const TYPES: ReadonlySet<number> = new Set(Object.values(FRAME));

function isFrameType(type: number): type is FrameType {
  return TYPES.has(type);
}
