import { join } from 'node:path';
import type * as Tfjs from '@tensorflow/tfjs';
import { EngineError } from '../../errors.ts';
import { loadTfjsNode, TENSORFLOW_JS_DIR, tensorflowJs } from '../../runtime/tensorflow-js.ts';
import type { TensorFlowRuntime } from '../../runtime/tensorflow-runtime.ts';

/** What tfjs and tfjs-node both export. */
export type TfNamespace = Omit<typeof Tfjs, 'default'>;

/** One tfjs backend, ready to load a model. */
export interface EagerBackend {
  readonly tf: TfNamespace;
  readonly library: string;
  /** Whether tensors keep the memory they are made from. */
  readonly borrows: boolean;
  /** Largest batch that runs at once; larger ones run in slices. Bounds the activations' memory. */
  readonly sliceImages: number;
  /** Backend to build the model on, when zeros cost much memory on the one that runs it. */
  readonly buildsOn: string | undefined;
}

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

/** The WebAssembly backend: runs anywhere, needs nothing installed. @throws EngineError */
export async function openWasmBackend(): Promise<EagerBackend> {
  const bundle = tensorflowJs();
  const tf = bundle.tfjs();
  const wasm = bundle.wasm();
  wasm.setWasmPaths(join(TENSORFLOW_JS_DIR, '/'));
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  if (!(await tf.setBackend('wasm'))) {
    throw new EngineError('Expected the WebAssembly backend to start but found that it did not.', {
      fix: 'Install the TensorFlow library with img2features setup and use --device cpu.',
    });
  }
  return {
    tf,
    library: `tfjs wasm ${wasm.version_wasm}${simd ? ' (SIMD)' : ''}`,
    // Each tensor is copied into the WebAssembly heap at once.
    borrows: false,
    sliceImages: 4,
    // Zeros would fill that heap before the weights replace them; on `cpu` they are untouched pages.
    buildsOn: 'cpu',
  };
}
