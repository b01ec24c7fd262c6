import type { ConvolutionKind, Engine, EngineSpec } from '../engine/engine.ts';
import { noise } from '../engine/noise.ts';
import { openEngine } from '../engine/open-engine.ts';
import type { ModelDescription } from '../model/describe-model.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import type { Device, DeviceChoice } from '../runtime/choose-device.ts';

export interface ExpectedRate {
  /** Images per second. */
  readonly least: number;
  readonly most: number;
  /** Whether a rate far below says that something is wrong: only where networks like it were measured. */
  readonly isFirm: boolean;
}

/**
 * Multiply-adds of a direct convolution per second of one core with AVX2, in units of 1e9, by the convolution in use: on the
 * two cores that this project is measured on VGG16 (15.5e9 an image) makes 4 to 6 images/s by TensorFlow's own, 8 to 16 by
 * Winograd's, which needs fewer.
 */
const GIGA_PER_CORE: Record<ConvolutionKind, readonly [least: number, most: number]> = {
  direct: [31, 46],
  winograd: [62, 124],
  fused: [20, 46],
};

/**
 * What to expect of a network on a CPU's cores; undefined where nothing of the kind was measured
 * (GPUs, WebAssembly, CPUs without AVX2).
 * @param multiplyAdds of one image
 */
export function expectedRate(machine: {
  readonly device: Device;
  readonly cores: number;
  readonly instructions: readonly string[] | undefined;
  readonly architecture: string | null;
  readonly multiplyAdds: number;
  readonly conv: ConvolutionKind;
}): ExpectedRate | undefined {
  const { device, cores, instructions, architecture, multiplyAdds, conv } = machine;
  if (device !== 'cpu' || !instructions?.includes('AVX2') || multiplyAdds <= 0) return undefined;
  const rates = GIGA_PER_CORE[conv].map((giga) => (giga * 1e9 * cores) / multiplyAdds);
  return {
    least: rates[0],
    most: rates[1],
    // Networks of many small layers wait for memory; more than 16 cores were never tried.
    isFirm:
      (architecture === 'vgg16' || architecture === 'vgg19') && cores <= 16 && multiplyAdds > 1e9,
  };
}

/** Multiply-adds of one image in the layers that take the time: convolutions and dense layers. */
export function countMultiplyAdds({ layers }: Pick<ModelDescription, 'layers'>): number {
  return layers.reduce((sum, { className, outputShape, params }) => {
    if (className === 'Dense') return sum + params;
    if (!className.includes('Conv2D') || outputShape.length !== 3) return sum;
    const [height, width] = outputShape;
    return sum + (height ?? 0) * (width ?? 0) * params;
  }, 0);
}

const BATCHES = { cuda: 64, cpu: 8, wasm: 4 } as const;
const LONGEST_MS = 3000;
const MOST_BATCHES = 20;

/**
 * Opens a network, runs batches of noise for about three seconds, at least one after the warm-up, and closes it.
 * @returns the rate of the network alone, warm-up left out
 */
export async function measureNetwork(
  spec: EngineSpec,
  folder: ModelFolder,
  choice: DeviceChoice,
  signal: AbortSignal,
  longestMs = LONGEST_MS,
) {
  const engine = await openEngine(spec, folder, choice, { signal });
  try {
    return { info: engine.info, ...(await measureRate(engine, signal, longestMs)) };
  } finally {
    await engine.close();
  }
}

/** The rate of a network alone, warm-up left out. */
export async function measureRate(engine: Engine, signal: AbortSignal, longestMs: number) {
  const { device, inputSize } = engine.info;
  const batch = BATCHES[device];
  const pixels = noise(batch * inputSize[0] * inputSize[1] * 3);
  await engine.run(pixels.slice(), batch); // compiles kernels, chooses algorithms
  const before = engine.busyMs();
  const started = performance.now();
  let images = 0;
  for (let i = 0; i < MOST_BATCHES && (i === 0 || performance.now() - started < longestMs); i++) {
    signal.throwIfAborted();
    await engine.run(pixels.slice(), batch);
    images += batch;
  }
  return { imagesPerSecond: (1000 * images) / (engine.busyMs() - before), images, batch };
}
