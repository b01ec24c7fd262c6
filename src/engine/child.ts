/**
 * The engine process. Frames come in and go out on file descriptor 3 (protocol.ts); what libraries
 * print goes to 1 and 2, where the parent listens. It lives as long as its pipe: signals of the
 * terminal are the parent's to handle.
 */
import { Worker } from 'node:worker_threads';
import { EngineError, isImg2FeaturesError } from '../errors.ts';
import { writeFrame, writeJsonFrame } from './frame-pipe.ts';
import { loadNetwork } from './load-network.ts';
import type { Network } from './network.ts';
import {
  type DoneMessage,
  decodeJson,
  type FailedMessage,
  FRAME,
  type Frame,
  ProtocolError,
  type StartMessage,
} from './protocol.ts';

const PIPE = 3;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

let network: Network | undefined;
let bytesPerImage = 0;
let queue = Promise.resolve();

const reader = new Worker(new URL('./frame-reader.js', import.meta.url), { workerData: PIPE });
reader.on('message', (frame: Frame) => {
  queue = queue.then(() => answer(frame));
});

async function answer(frame: Frame): Promise<void> {
  try {
    if (frame.type === FRAME.start) await start(decodeJson<StartMessage>(frame.payload));
    else if (frame.type === FRAME.batch) runBatch(frame);
  } catch (error) {
    writeJsonFrame(PIPE, FRAME.failed, frame.id, describeFailure(error));
  }
}

async function start(message: StartMessage): Promise<void> {
  const loaded = await loadNetwork(message);
  network = loaded.network;
  const [height, width] = loaded.ready.inputSize;
  bytesPerImage = height * width * 3;
  writeJsonFrame(PIPE, FRAME.ready, 0, loaded.ready);
}

function runBatch({ id, payload }: Frame): void {
  if (network === undefined) throw new EngineError('Expected a loaded model but found none.');
  const result = network.run(payload, payload.length / bytesPerImage);
  for (const values of result.outputs) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    writeFrame(PIPE, FRAME.output, id, bytes);
  }
  const done: DoneMessage = {
    busyMs: result.busyMs,
    numTensors: network.numTensors(),
    // Linux and macOS both count kilobytes here.
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
  writeJsonFrame(PIPE, FRAME.done, id, done);
}

function describeFailure(error: unknown): FailedMessage {
  if (isImg2FeaturesError(error)) {
    const { message, fix } = error;
    return { tag: error.tag as FailedMessage['tag'], message, fix };
  }
  const message = error instanceof Error ? error.message : String(error);
  const isTooLarge =
    error instanceof ProtocolError ||
    /OOM|RESOURCE_EXHAUSTED|out of memory|allocation failed/i.test(message);
  return {
    tag: 'engine',
    message: `Expected the network to run but found: ${message}`,
    ...(isTooLarge && { fix: 'Use a smaller --batch.' }),
  };
}
