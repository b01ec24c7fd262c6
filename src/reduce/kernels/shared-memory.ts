/** Memory that threads share, where the kernels' code can reach it. */
export type SharedMemory = WebAssembly.Memory | SharedArrayBuffer;

/** Zeroed; without WebAssembly's memory (its guard pages need 10 GB of address space) a plain one, for the addon alone. */
export function createSharedMemory(bytes: number): SharedMemory {
  const pages = Math.ceil(bytes / 65536);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch {
    return new SharedArrayBuffer(pages * 65536);
  }
}

export function bufferOf(memory: SharedMemory): SharedArrayBuffer {
  return (memory instanceof SharedArrayBuffer ? memory : memory.buffer) as SharedArrayBuffer;
}
