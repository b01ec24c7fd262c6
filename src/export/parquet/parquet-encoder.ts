import { Worker } from 'node:worker_threads';
import { ExportError } from '../../errors.ts';

/** Batches given to the thread and not yet taken; what they cost in memory is the caller's choice of size. */
const IN_FLIGHT = 2;

/** Threads start from built JavaScript. */
const THREAD = new URL('../../../dist/export/parquet/encode-thread.js', import.meta.url);

/** Takes the next bytes of a file; resolves when their memory may be reused. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>;

/**
 * parquet-wasm in a thread of its own, so that other formats are written meanwhile. One file after the other; a
 * failure, of the thread or of who writes its bytes, is thrown by the next call.
 */
export class ParquetEncoder {
  /** What the library's memory had grown to at the end of the last file. */
  memoryBytes = 0;
  readonly #worker: Worker;
  #write: WriteBytes | undefined;
  #written: Promise<void> = Promise.resolve();
  #inFlight = 0;
  #hasEnded = false;
  #failure: Error | undefined;
  /** Called when something has changed that a caller may wait for. */
  #wake: () => void = () => {};

  constructor() {
    this.#worker = new Worker(THREAD);
    this.#worker.on('message', (reply: EncodeReply) => this.#receive(reply));
    this.#worker.on('error', ({ message }) => this.#fail(encodeError(message)));
    this.#worker.on('exit', () => this.#fail(encodeError('the encoding thread stopped')));
    this.#worker.unref();
  }

  begin(layout: ParquetLayout, write: WriteBytes): void {
    this.#write = write;
    this.#hasEnded = false;
    // Work keeps the process alive, an idle thread does not.
    this.#worker.ref();
    this.#post({ kind: 'begin', layout });
  }

  /** @param ipc an Arrow IPC stream of one record batch, which goes to the thread: not to be used afterwards */
  async add(ipc: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#until(() => this.#inFlight < IN_FLIGHT);
    this.#inFlight++;
    this.#post({ kind: 'batch', ipc }, ownBuffer(ipc));
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
    this.#failure ??= encodeError('that it was stopped');
    await this.#worker.terminate();
  }

  #post(request: EncodeRequest, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  #receive(reply: EncodeReply): void {
    if (reply.kind === 'bytes') {
      this.#append(reply.bytes);
    } else if (reply.kind === 'taken') {
      this.#inFlight--;
    } else if (reply.kind === 'ended') {
      this.#hasEnded = true;
      this.memoryBytes = reply.memoryBytes;
    } else {
      this.#fail(encodeError(reply.message));
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
}

function encodeError(found: string): ExportError {
  return new ExportError(`Expected to encode Parquet but found: ${found}.`);
}

/** What the encoding thread gets to know of a file. */
export interface ParquetLayout {
  /** Columns of text: readers skip row groups by their smallest and largest value. */
  readonly textColumns: readonly string[];
  readonly rowGroupRows: number;
  /** The file's metadata: text by key. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** To the thread, one file after the other: begin, batch …, end. */
export type EncodeRequest =
  | { readonly kind: 'begin'; readonly layout: ParquetLayout }
  /** An Arrow IPC stream of one record batch. */
  | { readonly kind: 'batch'; readonly ipc: Uint8Array }
  | { readonly kind: 'end' };

/** From the thread. */
export type EncodeReply =
  /** The next bytes of the file. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** A batch is encoded, or waits in the library for its row group to be whole. */
  | { readonly kind: 'taken' }
  /** All bytes of the file were sent; what the library's memory has grown to. */
  | { readonly kind: 'ended'; readonly memoryBytes: number }
  | { readonly kind: 'failed'; readonly message: string };

/** What can be transferred in place of a copy: the bytes' buffer, where nothing else shares it. */
export function ownBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer[] {
  return bytes.byteLength === bytes.buffer.byteLength ? [bytes.buffer] : [];
}
