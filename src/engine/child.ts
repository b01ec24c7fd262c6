/**
 * The engine process. Requests come in on file descriptor 3 and replies go out on 4 (protocol.ts); what libraries
 * print goes to 1 and 2, where the parent listens. It runs as long as its pipe is open: signals of the
 * terminal are the parent's to handle.
 */
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { EngineError, isImg2FeaturesError } from '../errors.ts';
import { GpuUnused } from '../runtime/choose-device.ts';
import { BatchMemory, partFeatures } from './batch-memory.ts';
import { HalvingRun } from './halving-run.ts';
import { loadNetwork } from './load-network.ts';
import type { Network } from './network.ts';
import { noise } from './noise.ts';
import { OutOfMemory, saysOutOfMemory } from './out-of-memory.ts';
import type {
  BatchMessage,
  DoneMessage,
  EngineReply,
  EngineRequest,
  FailedMessage,
  Numbered,
  ReadyMessage,
  StartMessage,
  TrialMessage,
} from './protocol.ts';

const PIPE = 3;
/** Not the pipe that requests come in on: on Windows a write would wait there for the read that has begun. */
const REPLIES = 4;
/** The run's memory. */
const MEMORY = 5;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

// Node waits for its threads before it exits, and the one that reads requests waits for the parent, which waits for this exit.
process.on('uncaughtExceptionMonitor', (error) => {
  try {
    writeSync(2, `${error.stack ?? error}\n`);
  } finally {
    process.kill(process.pid, process.platform === 'win32' ? 'SIGKILL' : 'SIGABRT');
  }
});

let network: Network | undefined;
let bytesPerImage = 0;
let memory: BatchMemory;
/** By their offsets. */
const parts = new Map<number, ArrayBuffer>();
const halving = new HalvingRun();
let queue = Promise.resolve();

const reader = new Worker(new URL('./request-reader.js', import.meta.url), { workerData: PIPE });
reader.on('message', (request: Numbered<EngineRequest>) => {
  queue = queue.then(async () => {
    const reply = await answer(request).catch(describeFailure);
    write({ ...reply, id: request.id });
  });
});

async function answer(request: EngineRequest): Promise<EngineReply> {
  switch (request.type) {
    case 'start':
      return start(request);
    case 'trial':
      return runTrial(request);
    case 'batch':
      return runBatch(request);
    default:
      throw new EngineError(`Expected a request but found ${request.type}.`);
  }
}

async function start(message: StartMessage): Promise<ReadyMessage> {
  memory = new BatchMemory(MEMORY, message.memoryAddon);
  const loaded = await loadNetwork(message);
  network = loaded.network;
  const [height, width] = loaded.ready.inputSize;
  bytesPerImage = height * width * 3;
  return loaded.ready;
}

function runBatch({ images, offset, bytes }: BatchMessage): DoneMessage {
  const part = parts.get(offset) ?? memory.open(offset, bytes);
  parts.set(offset, part);
  const pixels = new Uint8Array(part, 0, images * bytesPerImage);
  memory.receive(pixels);
  const features = partFeatures(pixels, loadedNetwork().outputs, images);
  const busyMs = halving.run(loadedNetwork(), pixels, images, features);
  for (const values of features) memory.send(values);
  return done(busyMs);
}

function runTrial({ images }: TrialMessage): DoneMessage {
  const { outputs } = loadedNetwork();
  const features = outputs.map(({ length }) => new Float32Array(images * length));
  return done(loadedNetwork().run(noise(images * bytesPerImage), images, features));
}

function loadedNetwork(): Network {
  if (network === undefined) throw new EngineError('Expected a loaded model but found none.');
  return network;
}

function done(busyMs: number): DoneMessage {
  return {
    type: 'done',
    busyMs,
    numTensors: loadedNetwork().numTensors(),
    // Linux and macOS both count kilobytes here.
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    ...(halving.most !== undefined && { halvedTo: halving.most }),
  };
}

/** Waits until the run has taken it. */
function write(reply: Numbered<EngineReply>): void {
  const line = Buffer.from(`${JSON.stringify(reply)}\n`);
  for (let at = 0; at < line.length; ) at += writeSync(REPLIES, line, at);
}

function describeFailure(error: unknown): FailedMessage {
  if (isImg2FeaturesError(error)) {
    const { message, fix } = error;
    return {
      type: 'failed',
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
    type: 'failed',
    tag: 'engine',
    message: `Expected the network to run but found: ${message}`,
    ...(isOutOfMemory && { fix: 'Use a smaller --batch.' }),
    ...(isOutOfMemory && { isOutOfMemory }),
  };
}
