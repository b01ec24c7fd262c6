import { EngineError } from '../errors.ts';
import { type DeviceChoice, verifyDevice } from '../runtime/choose-device.ts';
import type { TfNode } from '../runtime/tensorflow-js.ts';
import { chooseConvolution } from './choose-convolution.ts';
import { type EagerBackend, openNodeBackend, openWasmBackend } from './eager/eager-backend.ts';
import { loadEagerNetwork } from './eager/eager-network.ts';
import type { EngineKind } from './engine.ts';
import { loadGraphNetwork } from './graph/graph-network.ts';
import { UnsupportedGraph } from './graph/unsupported-graph.ts';
import type { Network } from './network.ts';
import type { ReadyMessage, StartMessage } from './protocol.ts';

/** In the engine process: loads the library, then the model, and says what was loaded. */
export async function loadNetwork(
  message: StartMessage,
): Promise<{ network: Network; ready: ReadyMessage }> {
  const { folder } = message;
  const started = performance.now();
  let { choice } = message;
  const backend = await openBackend(message);
  if (choice.device !== 'wasm') choice = verifyDevice(backend.tf as unknown as TfNode, choice);
  const libraryLoaded = performance.now();
  const { network, engine, engineReason, convReason } = await loadModel(message, backend, choice);
  return {
    network,
    ready: {
      type: 'ready',
      device: choice.device,
      deviceReason: choice.reason,
      library: network.library,
      engine,
      ...(engineReason !== undefined && { engineReason }),
      conv: network.conv,
      ...(convReason !== undefined && { convReason }),
      inputSize: folder.metadata.inputSize,
      outputs: network.outputs,
      libraryMs: libraryLoaded - started,
      modelMs: performance.now() - libraryLoaded,
    },
  };
}

function openBackend({ choice, threads }: StartMessage): Promise<EagerBackend> {
  if (choice.device === 'wasm') return openWasmBackend();
  if (choice.runtime === undefined) {
    throw new EngineError(`Expected a TensorFlow library for ${choice.device} but found none.`, {
      fix: 'Run `img2features setup`.',
    });
  }
  return openNodeBackend(choice.runtime, { hideGpu: choice.device === 'cpu', threads });
}

interface LoadedModel {
  readonly network: Network;
  readonly engine: EngineKind;
  readonly engineReason?: string;
  readonly convReason?: string;
}

/**
 * The graph, unless it was declined; layer by layer, with the reason, only where the graph has no rule for a layer: it
 * would give other last bits, and slower.
 */
async function loadModel(
  message: StartMessage,
  backend: EagerBackend,
  choice: DeviceChoice,
): Promise<LoadedModel> {
  const { folder, layers, engine, precision } = message;
  const { device } = choice;
  const loadEager = async (engineReason?: string): Promise<LoadedModel> => ({
    network: await loadEagerNetwork(backend, folder, layers),
    engine: 'eager',
    ...(engineReason !== undefined && { engineReason }),
  });
  const { conv, convReason } = await chooseConvolution(
    message,
    choice,
    backend.tf as unknown as TfNode,
  );
  if (engine === 'eager' || device === 'wasm') return loadEager();
  const { library, sliceImages } = backend;
  const tf = backend.tf as unknown as TfNode;
  try {
    const options = { device, precision, conv, library, sliceImages };
    const network = await loadGraphNetwork(tf, folder, layers, options);
    // A network without such a layer has nothing to choose.
    const isTold = convReason !== undefined && (conv === 'direct' || network.conv !== 'direct');
    return { network, engine: 'graph', ...(isTold && { convReason }) };
  } catch (error) {
    if (!(error instanceof UnsupportedGraph)) throw error;
    const reason = error.message;
    const asked = askedOfGraph(message);
    if (asked === undefined) return loadEager(reason);
    throw new EngineError(`Expected a network for ${asked} but found that ${reason}.`, {
      fix: 'Use --engine eager with --precision fp32 and without --conv.',
      cause: error,
    });
  }
}

/** The option that only the graph engine can keep. */
function askedOfGraph({ engine, precision, conv }: StartMessage): string | undefined {
  if (engine === 'graph') return '--engine graph';
  if (conv === 'winograd' || conv === 'fused') return `--conv ${conv}`;
  return precision === 'fp16' || precision === 'bf16' ? `--precision ${precision}` : undefined;
}
