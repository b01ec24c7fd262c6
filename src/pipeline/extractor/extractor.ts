import type { ChosenBatch } from '../../engine/choose-batch.ts';
import type { ConvolutionKind, EngineInfo, EngineOutput } from '../../engine/engine.ts';
import type { PoolMember } from '../../engine/engine-pool.ts';
import type { RunEvent } from '../../events.ts';
import type { DecodeOptions } from '../../image/decoded-chunk.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { isGray } from '../../model/topology-layers.ts';
import { parseAugmentation } from '../../options/augmentation.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';
import type { DeviceChoice } from '../../runtime/choose-device.ts';

/** Turns pixels into feature vectors: a network on a device, or the pixels themselves. */
export interface Extractor {
  /** Input height and width, pixels. */
  readonly inputSize: readonly [height: number, width: number];
  /** One for each vector column. */
  readonly outputs: readonly EngineOutput[];
  /** Rows in a batch. */
  readonly batchSize: number;
  /** Batches that may be in flight at once. */
  readonly inFlight: number;
  /** undefined for pixels. */
  readonly engine: EngineInfo | undefined;
  readonly model: ModelFolder | undefined;
  /** Memory for the pixels of a batch, all of which go to `run`; undefined where any memory will do. */
  batchBuffer?(images: number): Uint8Array;
  /** Takes that memory back, with what `run` has returned for it. */
  release?(pixels: Uint8Array): void;
  /**
   * @param pixels uint8 RGB [n, height, width, 3]; do not use it afterwards.
   * @returns float32 [n, length] for each output; of pixels in memory from `batchBuffer`, until its release.
   */
  run(pixels: Uint8Array, n: number): Promise<Float32Array[]>;
  /** What the engines did so far; undefined for pixels. */
  engineReport?(): EngineReport;
  close(): Promise<void>;
}

/** An extractor whose engine is not started yet: what was requested is available, as far as can be checked without it. */
export interface ExtractorPlan {
  /** undefined for pixels. */
  readonly model: ModelFolder | undefined;
  /** The device that will be tried; undefined for pixels. */
  readonly choice: DeviceChoice | undefined;
  /** As those of the extractor. @throws OptionError for a layer that the model lacks or that cannot be pooled */
  outputs(): Promise<readonly EngineOutput[]>;
  /** Starts the engine. */
  open(hooks: ExtractorHooks): Promise<Extractor>;
}

export interface ExtractorHooks {
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
  /**
   * The batch size that the run began with, undefined in one that begins. Only where this is set may
   * `--batch auto` measure: elsewhere nothing would keep the number for the next time.
   */
  readonly recordedBatch?: () => number | undefined;
  /** How many images the run has, once they are listed; undefined where it is not known before the first batch. */
  readonly count?: () => Promise<number>;
  /** Rows of each image; undefined = 1. */
  readonly views?: number;
  /** How the run that is resumed computes convolutions; undefined in one that begins. */
  readonly recordedConv?: ConvolutionKind | undefined;
  /** Images come one by one and callers wait for each: no batch is filled up or warmed up for. */
  readonly isInteractive?: boolean;
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
  /** Where the batch size comes from; `run` = what this run began with; `cache` = a trial of an earlier run. */
  readonly batchFrom: 'option' | 'run' | 'trial' | 'cache' | 'device';
  /** What `--batch auto` measured, now or in an earlier run on this GPU; undefined where it did not. */
  readonly trial: ChosenBatch | undefined;
  /** Most images at once since memory ran out; undefined while it never did. */
  readonly halvedTo: number | undefined;
}

/** How the options ask for pixels. */
export function decodeOptions(
  options: ExtractOptions,
  { inputSize: [height, width], model }: Pick<Extractor, 'inputSize' | 'model'>,
): DecodeOptions {
  const isOfGray = model !== undefined && isGray(model.topology);
  return {
    width,
    height,
    resize: options.resize,
    exif: options.exif,
    channels: isOfGray ? 'gray' : options.seedCompat ? 'bgr' : 'rgb',
    maxPixels: options.maxPixels * 1e6,
    tiff: options.tiff,
    ...(options.views > 1 && {
      views: {
        count: options.views,
        seed: options.seed,
        augment: parseAugmentation(options.augment),
      },
    }),
  };
}
