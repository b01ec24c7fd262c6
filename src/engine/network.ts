import type { ConvolutionKind, EngineOutput } from './engine.ts';

/** What the engine process runs: one loaded model on one backend, cut at the requested layers. */
export interface Network {
  /** Library and version, for the user and run.json. */
  readonly library: string;
  readonly outputs: readonly EngineOutput[];
  /** `winograd` where at least one convolution is computed that way. */
  readonly conv: ConvolutionKind;
  /**
   * Runs one batch, blocking.
   * @param pixels uint8 RGB [n, height, width, 3]
   * @param features gets float32 [n, length] for each output
   * @returns milliseconds from pixels preprocessed to outputs read
   */
  run(pixels: Uint8Array, n: number, features: readonly Float32Array[]): number;
  /** Tensors alive in the backend. */
  numTensors(): number;
}
