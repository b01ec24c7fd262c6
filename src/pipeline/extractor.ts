import type { ChosenBatch } from '../engine/choose-batch.ts';
import type { EngineInfo, EngineOutput } from '../engine/engine.ts';
import type { PoolMember } from '../engine/engine-pool.ts';
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
  /** What the engines did so far; undefined for pixels. */
  engineReport?(): EngineReport;
  close(): Promise<void>;
}

/** What the engines of a run did, for its timing and run.json. */
export interface EngineReport {
  /** Milliseconds that the network was busy, summed over the engines; warm-up left out. */
  readonly busyMs: number;
  /** The sum of the engines' own rates; 0 before the first batch. */
  readonly imagesPerSecond: number;
  /** Milliseconds of trials and warm-up before the first batch. */
  readonly warmUpMs: number;
  readonly engines: readonly PoolMember[];
  /** Where the batch size comes from; `run` = what this run began with. */
  readonly batchFrom: 'option' | 'run' | 'trial' | 'device';
  /** What `--batch auto` measured; undefined where it did not. */
  readonly trial: ChosenBatch | undefined;
  /** Most images at once since memory ran out; undefined while it never did. */
  readonly halvedTo: number | undefined;
}
