const ALIGNMENT = 64;
const PAGE_BYTES = 65536;
const MAX_CHUNK_BYTES = 2 ** 30;

/**
 * Memory at addresses that are multiples of 64. TensorFlow uses such memory for a tensor in place and
 * copies any other (c/tf_tensor.cc), so weights read into it exist once instead of twice. JavaScript
 * cannot ask for an address, but a WebAssembly memory starts on a page.
 */
export class AlignedArena {
  readonly #chunkBytes: number;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #used = 0;

  /** @param bytesExpected about what will be allocated in all; more is possible. */
  constructor(bytesExpected: number) {
    this.#chunkBytes = Math.min(Math.max(bytesExpected, PAGE_BYTES), MAX_CHUNK_BYTES);
  }

  /** Zeroed bytes; they are freed when nothing refers to their chunk any more. */
  allocate(byteLength: number): Uint8Array<ArrayBuffer> {
    if (this.#used + byteLength > this.#bytes.length) {
      this.#bytes = allocatePages(Math.max(byteLength, this.#chunkBytes));
      this.#used = 0;
    }
    const bytes = this.#bytes.subarray(this.#used, this.#used + byteLength);
    this.#used += Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
    return bytes;
  }
}

function allocatePages(byteLength: number): Uint8Array<ArrayBuffer> {
  const pages = Math.ceil(byteLength / PAGE_BYTES);
  try {
    return new Uint8Array(new WebAssembly.Memory({ initial: pages }).buffer as ArrayBuffer);
  } catch {
    // A WebAssembly memory reserves 8 GB of addresses, which `ulimit -v` may forbid. Plain memory
    // gives the same numbers and costs TensorFlow's copy.
    return new Uint8Array(pages * PAGE_BYTES);
  }
}
