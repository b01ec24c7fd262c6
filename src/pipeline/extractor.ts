import type { EngineInfo, EngineOutput } from '../engine/engine.ts';
import type { ModelFolder } from '../model/model-folder.ts';

/** Turns pixels into feature vectors: a network on a device, or the pixels themselves. */
export interface Extractor {
  /** Input height and width, pixels. */
  readonly inputSize: readonly [height: number, width: number];
  /** One for each vector column. */
  readonly outputs: readonly EngineOutput[];
  /** Rows in a batch. */
  readonly batchSize: number;
  /** Batches that may be on their way at once. */
  readonly inFlight: number;
  /** undefined for pixels. */
  readonly engine: EngineInfo | undefined;
  readonly model: ModelFolder | undefined;
  /**
   * @param pixels uint8 RGB [n, height, width, 3]; do not use it afterwards.
   * @returns float32 [n, length] for each output.
   */
  run(pixels: Uint8Array, n: number): Promise<Float32Array[]>;
  /** Milliseconds that the network was busy. */
  busyMs(): number;
  close(): Promise<void>;
}
