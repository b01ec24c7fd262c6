import { decodeHeader, type Frame, type FrameHeader, HEADER_BYTES } from './protocol.ts';

/**
 * Puts frames together from chunks cut anywhere. A payload is copied once, into a buffer of its
 * announced length: no list of chunks, no concatenation.
 */
export class FrameDecoder {
  readonly #headerBytes = new Uint8Array(HEADER_BYTES);
  #header: FrameHeader | undefined;
  #payload = new Uint8Array(0);
  /** Bytes of the header, or of the payload once `#header` is known, received so far. */
  #filled = 0;

  /** @returns the frames that `chunk` completed, in order. @throws ProtocolError */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let offset = 0;
    while (offset < chunk.length) {
      offset += this.#take(chunk, offset);
      const frame = this.#complete();
      if (frame !== undefined) frames.push(frame);
    }
    return frames;
  }

  #take(chunk: Uint8Array, offset: number): number {
    const target = this.#header === undefined ? this.#headerBytes : this.#payload;
    const count = Math.min(target.length - this.#filled, chunk.length - offset);
    target.set(chunk.subarray(offset, offset + count), this.#filled);
    this.#filled += count;
    return count;
  }

  /** Moves from header to payload, and from payload to the next header. */
  #complete(): Frame | undefined {
    if (this.#header === undefined) {
      if (this.#filled < HEADER_BYTES) return undefined;
      this.#header = decodeHeader(this.#headerBytes);
      this.#payload = new Uint8Array(this.#header.length);
      this.#filled = 0;
    }
    if (this.#filled < this.#payload.length) return undefined;
    const frame = { type: this.#header.type, id: this.#header.id, payload: this.#payload };
    this.#header = undefined;
    this.#payload = new Uint8Array(0);
    this.#filled = 0;
    return frame;
  }
}
