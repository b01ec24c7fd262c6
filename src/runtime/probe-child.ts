/** Process entry of `probeRuntime`: one message in, one message out, then it ends. */
import type { Rank } from '@tensorflow/tfjs-node';
import { RuntimeError } from '../errors.ts';
import { tryToOpen } from './gpu-libraries.ts';
import type { ProbeFigures, ProbeMessage } from './probe-runtime.ts';
import { type LoadOptions, loadTfjsNode, type TfNode } from './tensorflow-js.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';

interface Request {
  readonly runtime: TensorFlowRuntime;
  readonly load: LoadOptions;
  /** Names of shared libraries to open. */
  readonly libraries: readonly string[];
}

process.once('message', (message: Request) => {
  const answer = (reply: ProbeMessage) => process.send?.(reply, () => process.disconnect());
  probe(message).then(
    (result) => answer({ result }),
    (error: unknown) => answer({ error: reasonOf(error) }),
  );
});

/** The loader's own cause: `probeRuntime` says the rest. */
function reasonOf(error: unknown): string {
  const inner = error instanceof RuntimeError && error.cause ? error.cause : error;
  return inner instanceof Error ? inner.message.split('\n', 1)[0] : String(inner);
}

async function probe({ runtime, load, libraries }: Request): Promise<ProbeFigures> {
  const started = performance.now();
  const tf = await loadTfjsNode(runtime, load);
  const loaded = performance.now();
  convolve(tf);
  const convolved = performance.now();
  const backend = tf.backend() as unknown as {
    isUsingGpuDevice: boolean;
    binding: { TF_Version: string };
  };
  return {
    tensorflow: backend.binding.TF_Version,
    tfjsNode: tf.version['tfjs-node'],
    device: backend.isUsingGpuDevice ? 'cuda' : 'cpu',
    loadMs: loaded - started,
    convMs: convolved - loaded,
    unopened: libraries.flatMap((name) => tryToOpen(name) ?? []),
  };
}

/** 3×3 ones over a 4×4 image of ones in 8 channels: each value counts the pixels under it. */
function convolve(tf: TfNode): void {
  const found = tf.tidy(() => {
    const image = tf.ones<Rank.R4>([1, 4, 4, 8]);
    const kernel = tf.ones<Rank.R4>([3, 3, 8, 1]);
    return tf.conv2d(image, kernel, 1, 'same').dataSync();
  });
  const expected = [4, 6, 6, 4, 6, 9, 9, 6, 6, 9, 9, 6, 4, 6, 6, 4].map((pixels) => pixels * 8);
  if (expected.some((value, i) => found[i] !== value)) {
    throw new Error(`a 3×3 convolution gave ${Array.from(found).join(' ')}`);
  }
}
