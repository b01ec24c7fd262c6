import { EngineError } from '../errors.ts';
import type { TfNode } from '../runtime/load-tfjs-node.ts';
import { verifyDevice } from '../runtime/verify-device.ts';
import { loadEagerNetwork } from './eager/eager-network.ts';
import { openNodeBackend } from './eager/node-backend.ts';
import { openWasmBackend } from './eager/wasm-backend.ts';
import type { Network } from './network.ts';
import type { ReadyMessage, StartMessage } from './protocol.ts';

/** In the engine process: loads the library, then the model, and says what was loaded. */
export async function loadNetwork(
  message: StartMessage,
): Promise<{ network: Network; ready: ReadyMessage }> {
  const { folder, layers } = message;
  const started = performance.now();
  let { choice } = message;
  const backend = await openBackend(message);
  if (choice.device !== 'wasm') choice = verifyDevice(backend.tf as unknown as TfNode, choice);
  const libraryLoaded = performance.now();
  const network = await loadEagerNetwork(backend, folder, layers);
  return {
    network,
    ready: {
      device: choice.device,
      deviceReason: choice.reason,
      library: network.library,
      inputSize: folder.metadata.inputSize,
      outputs: network.outputs,
      libraryMs: libraryLoaded - started,
      modelMs: performance.now() - libraryLoaded,
    },
  };
}

function openBackend({ choice, threads }: StartMessage) {
  if (choice.device === 'wasm') return openWasmBackend();
  if (choice.runtime === undefined) {
    throw new EngineError(`Expected a TensorFlow library for ${choice.device} but found none.`, {
      fix: 'Run `img2features setup`.',
    });
  }
  return openNodeBackend(choice.runtime, { hideGpu: choice.device === 'cpu', threads });
}
