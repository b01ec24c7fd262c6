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
