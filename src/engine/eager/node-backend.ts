import { loadTfjsNode } from '../../runtime/load-tfjs-node.ts';
import type { TensorFlowRuntime } from '../../runtime/tensorflow-runtime.ts';
import type { EagerBackend } from './eager-backend.ts';

/** TensorFlow's own library under tfjs-node, on the CPU or a CUDA GPU. @throws RuntimeError */
export async function openNodeBackend(
  runtime: TensorFlowRuntime,
  options: { readonly hideGpu: boolean; readonly threads: number },
): Promise<EagerBackend> {
  const tf = await loadTfjsNode(runtime, options);
  const onCpu = !(tf.backend() as unknown as { isUsingGpuDevice: boolean }).isUsingGpuDevice;
  return {
    tf,
    library: `tfjs-node ${tf.version['tfjs-node']} on TensorFlow ${runtime.tensorflow}`,
    // Tensors are made from the caller's memory on first use, and keep it where it is aligned.
    borrows: true,
    // A CPU gains 2 % from 16 at once instead of 8, and VGG16 takes 430 MB more.
    sliceImages: onCpu ? 8 : Number.POSITIVE_INFINITY,
    buildsOn: undefined,
  };
}
