import { parentPort, workerData } from 'node:worker_threads';
import { ChunkDecoder } from '../decode-and-resize.ts';
import { SLOT } from '../decoded-chunk.ts';
import { DecodeJournal } from './decode-journal.ts';
import {
  unpackTasks,
  type WorkerReply,
  type WorkerRequest,
  type WorkerStart,
} from './decode-thread.ts';

// The entry of a decode worker thread. Chunks are worked on one at a time, in the order they came.
const port = parentPort;
if (port === null) throw new Error('Expected to run as a worker thread.');
const { current } = workerData as WorkerStart;
let decoder: ChunkDecoder | undefined;
let journal: DecodeJournal | undefined;
let queue = Promise.resolve();

port.on('message', ({ id, tasks: packed, memory, options, journal: path }: WorkerRequest) => {
  queue = queue.then(async () => {
    const tasks = unpackTasks(packed);
    Atomics.store(current, SLOT.job, id);
    Atomics.store(current, SLOT.position, -1);
    decoder ??= new ChunkDecoder(options);
    journal ??= new DecodeJournal(path);
    journal.begin(tasks);
    try {
      reply({ id, chunk: await decoder.decode(tasks, current, memory) });
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      reply({ id, failure, position: Atomics.load(current, SLOT.position) });
    }
    journal.end();
  });
});

function reply(message: WorkerReply): void {
  port?.postMessage(message);
}
