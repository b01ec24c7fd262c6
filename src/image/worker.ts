import { parentPort, workerData } from 'node:worker_threads';
import { ChunkDecoder } from './chunk-decoder.ts';
import type { WorkerReply, WorkerRequest, WorkerStart } from './worker-protocol.ts';

// The entry of a decode worker thread. Chunks are worked on one at a time, in the order they came.
const port = parentPort;
if (port === null) throw new Error('Expected to run as a worker thread.');
const { options, current } = workerData as WorkerStart;
const decoder = new ChunkDecoder(options);
let queue = Promise.resolve();

port.on('message', ({ id, tasks }: WorkerRequest) => {
  queue = queue.then(async () => {
    let position = -1;
    try {
      const chunk = await decoder.decode(tasks, () => {
        position++;
        Atomics.store(current, 0, position);
      });
      reply({ id, chunk }, [chunk.pixels.buffer as ArrayBuffer]);
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      reply({ id, failure, position });
    }
  });
});

function reply(message: WorkerReply, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
