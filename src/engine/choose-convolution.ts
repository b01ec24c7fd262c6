import { availableParallelism, cpus } from 'node:os';
import { basename } from 'node:path';
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs';
import { EngineError } from '../errors.ts';
import { addNote, readNotes } from '../runtime/cache-dir.ts';
import type { DeviceChoice } from '../runtime/choose-device.ts';
import { loadOperations, runWinograd, transformKernel } from '../runtime/operations.ts';
import type { TfNode } from '../runtime/tensorflow-js.ts';
import type { TensorFlowRuntime } from '../runtime/tensorflow-runtime.ts';
import type { ConvolutionKind } from './engine.ts';
import type { StartMessage } from './protocol.ts';

export interface ConvolutionChoice {
  readonly conv: ConvolutionKind;
  /** What was measured, or why Winograd's are not there; undefined where nobody had to choose. */
  readonly convReason?: string;
}

/**
 * Whether the graph's convolutions may be our own. In the engine process, once the library is
 * loaded: our operations are registered with it here.
 * @throws EngineError when `--conv winograd` is not possible
 */
export async function chooseConvolution(
  { conv, convOfRun, engine, precision, threads }: StartMessage,
  { device, runtime }: DeviceChoice,
  tf: TfNode,
): Promise<ConvolutionChoice> {
  if (conv === 'direct') return { conv };
  const isAuto = conv === 'auto';
  if (engine === 'eager' || device !== 'cpu' || precision !== 'fp32' || runtime === undefined) {
    if (isAuto) return { conv: 'direct' };
    const found = `--engine ${engine}, --precision ${precision} on ${device}`;
    throw new EngineError(
      `Expected the graph engine in fp32 on the CPU for --conv ${conv} but found ${found}.`,
      { fix: 'Use --conv auto.' },
    );
  }
  const { set, why } = loadOperations(runtime, threads);
  if (why === undefined) {
    if (!isAuto) return { conv };
    return convOfRun === undefined
      ? fasterConvolution(tf, runtime, { threads, set })
      : { conv: convOfRun, convReason: 'this run began with them' };
  }
  if (isAuto) return { conv: 'direct', convReason: why };
  throw new EngineError(`Expected our own convolutions for --conv ${conv} but ${why}.`, {
    fix: 'Run `img2features setup`, or use --conv auto.',
  });
}

/** Milliseconds for the layer below, the least of some. */
export type Measured = Readonly<Record<'winograd' | 'direct', number>>;

export const NOTES = 'convolutions';

/** The layer that both are measured on: [images, side, side, channels] to as many channels. */
const SIDE = 28;
const CHANNELS = 512;
/** One for each thread, but no more than a batch has. */
const imagesFor = (threads: number) => Math.min(16, Math.max(2, threads));
const ROUNDS = 4;

/** Measured once for each processor, library, build of the operations and number of threads. */
async function fasterConvolution(
  tf: TfNode,
  { operationsPath, tensorflow }: TensorFlowRuntime,
  asked: { readonly threads: number; readonly set: string | undefined },
): Promise<ConvolutionChoice> {
  const threads = asked.threads || availableParallelism();
  const processor = `${cpus()[0]?.model} with ${asked.set}, ${threads} threads`;
  const key = `${processor}, TensorFlow ${tensorflow}, ${basename(operationsPath!)}`;
  let measured = (await readNotes<Measured>(NOTES))[key];
  if (!(measured?.winograd > 0 && measured.direct > 0)) {
    measured = measureConvolutions(tf, imagesFor(threads));
    await addNote(NOTES, key, measured);
  }
  return chooseFaster(measured);
}

/** Ours where Winograd's are as fast: a tie must not be decided by noise. */
export function chooseFaster({ winograd, direct }: Measured): ConvolutionChoice {
  const times = `${winograd.toFixed(1)} ms by Winograd's, ${direct.toFixed(1)} ms by TensorFlow's`;
  return {
    conv: winograd <= direct * 1.1 ? 'fused' : 'direct',
    convReason: `a layer of ${CHANNELS} channels, measured once on this machine, takes ${times}`,
  };
}

function measureConvolutions(tf: TfNode, images: number): Measured {
  return tf.tidy(() => {
    const input: Tensor4D = tf.fill([images, SIDE, SIDE, CHANNELS], 0.5);
    const kernel: Tensor4D = tf.fill([3, 3, CHANNELS, CHANNELS], 0.01);
    const bias: Tensor1D = tf.zeros([CHANNELS]);
    const transformed = transformKernel(tf, kernel);
    const run = {
      winograd: () => runWinograd(tf, input, transformed, bias),
      direct: () => tf.conv2d(input, kernel, 1, 'same'),
    };
    const least = { winograd: Number.POSITIVE_INFINITY, direct: Number.POSITIVE_INFINITY };
    // In turn; the first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const kind of ['winograd', 'direct'] as const) {
        const started = performance.now();
        run[kind]().dispose();
        if (round > 0) least[kind] = Math.min(least[kind], performance.now() - started);
      }
    }
    return least;
  });
}
