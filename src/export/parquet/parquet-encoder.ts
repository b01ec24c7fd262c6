import { Encoder, ownBuffer } from '../encoder.ts';

/** Threads start from built JavaScript. */
const THREAD = new URL('../../../dist/export/parquet/encode-thread.js', import.meta.url);

/** parquet-wasm in its thread. */
export class ParquetEncoder extends Encoder<ParquetLayout, Uint8Array<ArrayBuffer>> {
  constructor() {
    super('Parquet', THREAD);
  }

  /** @param ipc an Arrow IPC stream of one record batch, which goes to the thread: not to be used afterwards */
  add(ipc: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.addBatch(ipc, ownBuffer(ipc));
  }
}

/** What the encoding thread gets to know of a file. */
export interface ParquetLayout {
  /** Columns of text: readers skip row groups by their smallest and largest value. */
  readonly textColumns: readonly string[];
  readonly rowGroupRows: number;
  /** The file's metadata: text by key. */
  readonly metadata: Readonly<Record<string, string>>;
}
