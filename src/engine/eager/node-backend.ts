import { loadTfjsNode } from '../../runtime/load-tfjs-node.ts';
import type { TensorFlowRuntime } from '../../runtime/tensorflow-runtime.ts';
import type { EagerBackend } from './eager-network.ts';

/** TensorFlow's own library under tfjs-node, on the CPU or a CUDA GPU. @throws RuntimeError */
export async function openNodeBackend(
  runtime: TensorFlowRuntime,
  options: { readonly hideGpu: boolean; readonly threads: number },
): Promise<EagerBackend> {
  const tf = await loadTfjsNode(runtime, options);
  return {
    tf,
    library: `tfjs-node ${tf.version['tfjs-node']} on TensorFlow ${runtime.tensorflow}`,
    // Tensors are made from the caller's memory on first use, and keep it where it is aligned.
    borrows: true,
    buildsOn: undefined,
  };
}
