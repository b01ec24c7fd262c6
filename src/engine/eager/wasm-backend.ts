import { join } from 'node:path';
import { EngineError } from '../../errors.ts';
import { TENSORFLOW_JS_DIR, tensorflowJs } from '../../runtime/tensorflow-js.ts';
import type { EagerBackend } from './eager-backend.ts';

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
