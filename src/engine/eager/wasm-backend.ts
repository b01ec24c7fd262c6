import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { EngineError } from '../../errors.ts';
import type { EagerBackend, TfNamespace } from './eager-network.ts';

/** The WebAssembly backend: runs anywhere, needs nothing installed. @throws EngineError */
export async function openWasmBackend(): Promise<EagerBackend> {
  const require = createRequire(import.meta.url);
  const tf: TfNamespace = require('@tensorflow/tfjs');
  const wasm: typeof import('@tensorflow/tfjs-backend-wasm') = require('@tensorflow/tfjs-backend-wasm');
  const main = require.resolve('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(join(dirname(main), '/'));
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
