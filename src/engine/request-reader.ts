/**
 * Thread of the engine process that waits for requests: the main thread is inside TensorFlow most of the time, and must
 * end in the middle of a batch where the run has ended.
 */
import { readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { parentPort, workerData } from 'node:worker_threads';
import { type EngineRequest, Lines, type Numbered } from './protocol.ts';

const pipe = workerData as number;
const bytes = Buffer.alloc(64 << 10);
const decoder = new StringDecoder('utf8');
const lines = new Lines();

for (let isOpen = true; isOpen; ) {
  const count = readSync(pipe, bytes);
  // The run has ended: nobody waits for results, and TensorFlow would compute to the end of its batch.
  if (count === 0) process.kill(process.pid, 'SIGKILL');
  for (const line of lines.push(decoder.write(bytes.subarray(0, count)))) {
    const request = JSON.parse(line) as Numbered<EngineRequest>;
    if (request.type === 'close') isOpen = false;
    else parentPort?.postMessage(request);
  }
}
