import { workerData } from 'node:worker_threads';

const FREE = 0;
const BUSY = 1;
const DONE = 2;

/** Shared by all threads of the process: the pool passes it to each worker in its workerData. */
export const processGate: Int32Array =
  (workerData as { readonly processGate?: Int32Array } | null)?.processGate ??
  new Int32Array(new SharedArrayBuffer(4));

/**
 * Runs `work` in the first thread that comes here; every other thread waits for it, then continues.
 * Settings of libvips belong to the process: a thread that blocked its loaders again would disable them
 * while another thread opens a file.
 */
export function oncePerProcess(work: () => void, gate: Int32Array = processGate): void {
  while (Atomics.load(gate, 0) !== DONE) {
    if (Atomics.compareExchange(gate, 0, FREE, BUSY) !== FREE) {
      Atomics.wait(gate, 0, BUSY);
      continue;
    }
    try {
      work();
      Atomics.store(gate, 0, DONE);
    } catch (error) {
      Atomics.store(gate, 0, FREE);
      throw error;
    } finally {
      Atomics.notify(gate, 0);
    }
  }
}
