/**
 * Thread of the engine process that waits for frames: the main thread is inside TensorFlow most of
 * the time, and the next batch must not wait for that in a socket buffer of 200 kB.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { readFrame } from './frame-pipe.ts';
import { FRAME, type Frame } from './protocol.ts';

const pipe = workerData as number;

for (let frame = readFrame(pipe); frame?.type !== FRAME.close; frame = readFrame(pipe)) {
  if (frame === undefined) endProcess();
  else parentPort?.postMessage(frame satisfies Frame, [frame.payload.buffer as ArrayBuffer]);
}

/** The run has ended: nobody waits for results, and TensorFlow would compute to the end of its batch. */
function endProcess(): void {
  process.kill(process.pid, 'SIGKILL');
}
