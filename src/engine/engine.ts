/** The network on a device: uint8 images in, float32 feature vectors out. */
import type { Device } from '../runtime/choose-device.ts';
import type { VisibleGpu } from '../runtime/gpus.ts';

export type Pool = 'none' | 'avg' | 'max';
export type Precision = 'fp32' | 'tf32' | 'bf16' | 'fp16';
/**
 * How the network runs: as one TensorFlow graph, or layer by layer through tfjs. `auto` takes the
 * graph where TensorFlow's library runs and every layer can be expressed in it.
 */
export type EngineKind = 'graph' | 'eager';

/**
 * How convolutions are computed in float32 on a CPU: those of 3×3 by Winograd's F(4×4, 3×3), with a quarter
 * of the multiplications (native/winograd/winograd.h); fused: in networks with depthwise ones these and
 * those of 1×1, too, together with what follows (native/winograd/separable.h); or as TensorFlow does it.
 * The last digits differ.
 */
export type ConvolutionKind = 'fused' | 'winograd' | 'direct';

/** One embedding layer to read out. */
export interface LayerRequest {
  /** Layer name in the model; undefined = the model's last layer. */
  readonly layer: string | undefined;
  /** Global pooling over height and width of a convolutional layer's output. */
  readonly pool: Pool;
}

export interface EngineSpec {
  readonly layers: readonly LayerRequest[];
  readonly precision: Precision;
  /** Default: auto. */
  readonly engine?: 'auto' | EngineKind;
  /** Default: auto, the faster one. */
  readonly conv?: 'auto' | ConvolutionKind;
  /** What `auto` takes where both are possible; default: the one that is measured to be faster. */
  readonly convOfRun?: ConvolutionKind | undefined;
  /** CPU threads for the network. Default: 0, the library's choice. */
  readonly threads?: number;
  /** On CUDA: the only GPU that the engine's process sees. Default: the first visible one. */
  readonly gpu?: VisibleGpu | undefined;
}

export interface EngineOutput {
  readonly layer: string;
  readonly pool: Pool;
  /** Number of float32 values in each vector. */
  readonly length: number;
}

export interface EngineInfo {
  readonly device: Device;
  /** Why this device: one sentence for the user and run.json. */
  readonly deviceReason: string;
  /** Library and version that runs the network, e.g. "tfjs-node 4.22.0 on TensorFlow 2.21.0". */
  readonly library: string;
  readonly engine: EngineKind;
  /** Why `auto` took the eager engine; undefined where it did not. */
  readonly engineReason?: string;
  /** `fused` or `winograd` where at least one layer is computed that way. */
  readonly conv: ConvolutionKind;
  /** What `auto` measured, or what Winograd's would need; undefined where there was nothing to choose. */
  readonly convReason?: string;
  /** GPU name and driver where there is one. */
  readonly deviceName: string | undefined;
  /** Input height and width of the model, pixels. */
  readonly inputSize: readonly [height: number, width: number];
  readonly outputs: readonly EngineOutput[];
  /** Milliseconds from opening the engine until it took batches. */
  readonly startupMs: number;
  /** How that time was spent. */
  readonly startup: EngineStartup;
}

/** Stages of opening an engine, milliseconds. */
export interface EngineStartup {
  /** Starting the engine process. */
  readonly processMs: number;
  /** Loading the library and finding the device. */
  readonly libraryMs: number;
  /** Building the model and reading its weights. */
  readonly modelMs: number;
}

export interface Engine {
  readonly info: EngineInfo;
  /**
   * Runs one batch.
   * @param pixels uint8 RGB [n, height, width, 3]; preprocessing happens inside. The buffer may be
   *   transferred: do not use it afterwards.
   * @returns one float32 [n, length] (row-major) for each of `info.outputs`, in that order.
   * @throws EngineError
   */
  run(pixels: Uint8Array, n: number): Promise<Float32Array[]>;
  /** Milliseconds the network itself was busy so far (engine-alone time). */
  busyMs(): number;
  /** Largest resident memory of the engine process after its last batch, bytes; 0 before it. */
  peakRssBytes(): number;
  close(): Promise<void>;
}
