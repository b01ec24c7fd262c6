import { Worker } from 'node:worker_threads';
import { ExportError } from '../errors.ts';

/** Batches given to the thread and not yet taken; what they cost in memory is the caller's choice of size. */
const IN_FLIGHT = 2;

/** Takes the next bytes of a file; resolves when their memory may be reused. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>;

/**
 * A format's encoder in a thread of its own, so that other work is done meanwhile. One file after the other; a
 * failure, of the thread or of who writes its bytes, is thrown by the next call.
 */
export class Encoder<Layout, Batch> {
  /** What the encoder's memory had grown to at the end of the last file, where it says so. */
  memoryBytes = 0;
  readonly #format: string;
  readonly #worker: Worker;
  #write: WriteBytes | undefined;
  #written: Promise<void> = Promise.resolve();
  #inFlight = 0;
  #hasEnded = false;
  #failure: Error | undefined;
  /** Called when something has changed that a caller may wait for. */
  #wake: () => void = () => {};

  /**
   * @param format for messages: "Parquet"
   * @param thread of built JavaScript, which answers with EncodeReply to each EncodeRequest
   */
  constructor(format: string, thread: URL) {
    this.#format = format;
    this.#worker = new Worker(thread);
    this.#worker.on('message', (reply: EncodeReply) => this.#receive(reply));
    this.#worker.on('error', ({ message }) => this.#fail(this.#error(message)));
    this.#worker.on('exit', () => this.#fail(this.#error('the encoding thread stopped')));
    this.#worker.unref();
  }

  begin(layout: Layout, write: WriteBytes): void {
    this.#write = write;
    this.#hasEnded = false;
    // Work keeps the process alive, an idle thread does not.
    this.#worker.ref();
    this.#post({ kind: 'begin', layout });
  }

  /** @param transfer memory of the batch that goes to the thread: not to be used afterwards */
  protected async addBatch(batch: Batch, transfer: readonly ArrayBuffer[]): Promise<void> {
    await this.#until(() => this.#inFlight < IN_FLIGHT);
    this.#inFlight++;
    this.#post({ kind: 'batch', batch }, transfer);
    await this.#written;
  }

  /** Resolves when the last byte was written. */
  async end(): Promise<void> {
    this.#post({ kind: 'end' });
    await this.#until(() => this.#hasEnded);
    await this.#written;
    this.#worker.unref();
  }

  async close(): Promise<void> {
    this.#failure ??= this.#error('that it was stopped');
    await this.#worker.terminate();
  }

  #post(request: EncodeRequest<Layout, Batch>, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, [...transfer]);
  }

  #receive(reply: EncodeReply): void {
    if (reply.kind === 'bytes') {
      this.#append(reply.bytes);
    } else if (reply.kind === 'taken') {
      this.#inFlight--;
    } else if (reply.kind === 'ended') {
      this.#hasEnded = true;
      this.memoryBytes = reply.memoryBytes ?? 0;
    } else {
      this.#fail(this.#error(reply.message));
    }
    this.#wake();
  }

  #append(bytes: Uint8Array): void {
    this.#written = this.#written.then(() => this.#write!(bytes));
    this.#written.catch((error: Error) => this.#fail(error));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  async #until(isSo: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (isSo()) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #error(found: string): ExportError {
    return new ExportError(`Expected to encode ${this.#format} but found: ${found}.`);
  }
}

/** To the thread, one file after the other: begin, batch …, end. */
export type EncodeRequest<Layout, Batch> =
  | { readonly kind: 'begin'; readonly layout: Layout }
  | { readonly kind: 'batch'; readonly batch: Batch }
  | { readonly kind: 'end' };

/** From the thread. */
export type EncodeReply =
  /** The next bytes of the file. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** A batch is encoded, or waits for more of its kind. */
  | { readonly kind: 'taken' }
  /** All bytes of the file were sent. */
  | { readonly kind: 'ended'; readonly memoryBytes?: number }
  | { readonly kind: 'failed'; readonly message: string };

/** What can be transferred in place of a copy: the bytes' buffer, where nothing else shares it. */
export function ownBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer[] {
  return bytes.byteLength === bytes.buffer.byteLength ? [bytes.buffer] : [];
}
