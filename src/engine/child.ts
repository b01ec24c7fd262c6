/**
 * The engine process. Frames come in on file descriptor 3 and go out on 4 (protocol.ts); what libraries
 * print goes to 1 and 2, where the parent listens. It runs as long as its pipe is open: signals of the
 * terminal are the parent's to handle.
 */
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { EngineError, isImg2FeaturesError } from '../errors.ts';
import { GpuUnused } from '../runtime/choose-device.ts';
import { mapMemory } from './batch-memory.ts';
import { writeFrame, writeJsonFrame } from './frame-pipe.ts';
import { HalvingRun } from './halving-run.ts';
import { loadNetwork } from './load-network.ts';
import type { Network, NetworkResult } from './network.ts';
import { noise } from './noise.ts';
import { OutOfMemory, saysOutOfMemory } from './out-of-memory.ts';
import {
  type DoneMessage,
  decodeJson,
  type FailedMessage,
  FRAME,
  type Frame,
  type PlacedMessage,
  ProtocolError,
  type StartMessage,
  type TrialMessage,
} from './protocol.ts';

const PIPE = 3;
/** The run's memory, where it has some. */
const MEMORY = 5;
/** Not the pipe that frames come in on: on Windows a write would wait there for the read that has begun. */
const REPLIES = 4;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

// Node waits for its threads before it exits, and the one that reads frames waits for the parent, which waits for this exit.
process.on('uncaughtExceptionMonitor', (error) => {
  try {
    writeSync(2, `${error.stack ?? error}\n`);
  } finally {
    process.kill(process.pid, process.platform === 'win32' ? 'SIGKILL' : 'SIGABRT');
  }
});

let network: Network | undefined;
let bytesPerImage = 0;
let memory: ArrayBuffer | undefined;
const halving = new HalvingRun();
let queue = Promise.resolve();

const reader = new Worker(new URL('./frame-reader.js', import.meta.url), { workerData: PIPE });
reader.on('message', (frame: Frame) => {
  queue = queue.then(() => answer(frame));
});

async function answer(frame: Frame): Promise<void> {
  try {
    if (frame.type === FRAME.start) await start(decodeJson<StartMessage>(frame.payload));
    else if (frame.type === FRAME.batch) runBatch(frame);
    else if (frame.type === FRAME.placed) runPlaced(frame);
    else if (frame.type === FRAME.trial) runTrial(frame);
  } catch (error) {
    writeJsonFrame(REPLIES, FRAME.failed, frame.id, describeFailure(error));
  }
}

async function start(message: StartMessage): Promise<void> {
  const loaded = await loadNetwork(message);
  network = loaded.network;
  const [height, width] = loaded.ready.inputSize;
  bytesPerImage = height * width * 3;
  writeJsonFrame(REPLIES, FRAME.ready, 0, loaded.ready);
}

function runBatch({ id, payload }: Frame): void {
  const result = halving.run(loadedNetwork(), payload, payload.length / bytesPerImage);
  for (const values of result.outputs) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    writeFrame(REPLIES, FRAME.output, id, bytes);
  }
  writeDone(id, result);
}

function runPlaced({ id, payload }: Frame): void {
  const { images, offset, outputOffset, bytes, addonPath } = decodeJson<PlacedMessage>(payload);
  memory ??= mapMemory(MEMORY, bytes, addonPath);
  const pixels = new Uint8Array(memory, offset, images * bytesPerImage);
  const result = halving.run(loadedNetwork(), pixels, images);
  let at = outputOffset;
  for (const values of result.outputs) {
    new Float32Array(memory, at, values.length).set(values);
    at += values.byteLength;
  }
  writeDone(id, result);
}

function runTrial({ id, payload }: Frame): void {
  const { images } = decodeJson<TrialMessage>(payload);
  writeDone(id, loadedNetwork().run(noise(images * bytesPerImage), images));
}

function loadedNetwork(): Network {
  if (network === undefined) throw new EngineError('Expected a loaded model but found none.');
  return network;
}

function writeDone(id: number, { busyMs }: NetworkResult): void {
  const done: DoneMessage = {
    busyMs,
    numTensors: loadedNetwork().numTensors(),
    // Linux and macOS both count kilobytes here.
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    ...(halving.most !== undefined && { halvedTo: halving.most }),
  };
  writeJsonFrame(REPLIES, FRAME.done, id, done);
}

function describeFailure(error: unknown): FailedMessage {
  if (isImg2FeaturesError(error)) {
    const { message, fix } = error;
    return {
      tag: error.tag as FailedMessage['tag'],
      message,
      fix,
      ...(error instanceof OutOfMemory && { isOutOfMemory: true }),
      ...(error instanceof GpuUnused && { isGpuUnused: true }),
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  const isOutOfMemory = saysOutOfMemory(message);
  return {
    tag: 'engine',
    message: `Expected the network to run but found: ${message}`,
    ...((isOutOfMemory || error instanceof ProtocolError) && { fix: 'Use a smaller --batch.' }),
    ...(isOutOfMemory && { isOutOfMemory }),
  };
}
