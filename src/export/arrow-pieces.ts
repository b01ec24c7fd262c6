import { AsyncByteQueue } from 'apache-arrow';

/** What an apache-arrow writer writes, taken at once in place of waiting in its queue: views of the batches' own buffers. */
export class ArrowPieces extends AsyncByteQueue {
  #pieces: Uint8Array[] = [];

  override write(piece: Uint8Array): void {
    this.#pieces.push(piece);
  }

  /** What was written since the last call. */
  take(): Uint8Array[] {
    return this.#pieces.splice(0);
  }
}
