import { createHash } from 'node:crypto';
import { extname } from 'node:path';
import { MultipartUpload, PART_BYTES } from '../s3/multipart-upload.ts';
import type { S3Connection } from '../s3/s3-connection.ts';
import type { OutputFile, WrittenFile } from './output-store.ts';

/** Files up to this size wait in memory until they are published, larger ones in the store. */
const SMALL_BYTES = 1 << 20;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.parquet': 'application/vnd.apache.parquet',
  '.feather': 'application/vnd.apache.arrow.file',
  '.json': 'application/json',
  '.jsonl': 'application/x-ndjson',
  '.csv': 'text/csv; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
};

export interface S3FileOptions {
  readonly name: string;
  readonly key: string;
  readonly signal: AbortSignal;
  /** The bytes are complete and stored; decides when to `publish`. */
  readonly onCommit: (file: S3File) => Promise<void>;
  readonly onAbort: (file: S3File) => void;
}

/** One object being written: in memory while small, then part by part; invisible until `publish`. */
export class S3File implements OutputFile {
  readonly #connection: S3Connection;
  readonly #options: S3FileOptions;
  readonly #hash = createHash('sha256');
  /** The part being filled; its first #filled bytes count. */
  #part = Buffer.alloc(0);
  #filled = 0;
  #bytes = 0;
  #upload: MultipartUpload | undefined;
  #state: 'open' | 'committed' | 'published' | 'aborted' = 'open';

  constructor(connection: S3Connection, options: S3FileOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#expect('open');
    this.#hash.update(bytes);
    this.#bytes += bytes.byteLength;
    for (let offset = 0; offset < bytes.byteLength; ) {
      const taken = Math.min(bytes.byteLength - offset, PART_BYTES - this.#filled);
      this.#reserve(this.#filled + taken);
      this.#part.set(bytes.subarray(offset, offset + taken), this.#filled);
      this.#filled += taken;
      offset += taken;
      if (this.#filled === PART_BYTES) await this.#sendPart();
    }
  }

  async commit(): Promise<WrittenFile> {
    this.#expect('open');
    if (this.#upload !== undefined || this.#filled > SMALL_BYTES) {
      if (this.#filled > 0) await this.#sendPart();
      await this.#upload!.settle();
    }
    this.#state = 'committed';
    await this.#options.onCommit(this);
    return { name: this.#options.name, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** Makes the object visible, whole. @throws ExportError */
  async publish(): Promise<void> {
    this.#expect('committed');
    const { signal } = this.#options;
    if (this.#upload !== undefined) await this.#upload.complete(signal);
    else await this.#put(signal);
    this.#state = 'published';
  }

  async abort(): Promise<void> {
    if (this.#state === 'published' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    this.#part = Buffer.alloc(0);
    this.#options.onAbort(this);
    await this.#upload?.abort();
  }

  async #sendPart(): Promise<void> {
    const { key, signal } = this.#options;
    this.#upload ??= await MultipartUpload.start(this.#connection, key, this.#contentType, signal);
    const part = this.#part.subarray(0, this.#filled);
    this.#part = Buffer.alloc(0);
    this.#filled = 0;
    await this.#upload.add(part, signal);
  }

  async #put(signal: AbortSignal): Promise<void> {
    const { key } = this.#options;
    const body = this.#part.subarray(0, this.#filled);
    const request = { verb: 'write' as const, key, bytes: body.byteLength };
    const object = { Key: key, Body: body, ContentType: this.#contentType };
    await this.#connection.request(request, signal, ({ sdk, base, send }) =>
      send(new sdk.PutObjectCommand({ ...base, ...object })),
    );
  }

  get #contentType(): string {
    return CONTENT_TYPES[extname(this.#options.name)] ?? 'application/octet-stream';
  }

  /** Grows by doubling up to a whole part. */
  #reserve(bytes: number): void {
    if (bytes <= this.#part.length) return;
    const size = Math.min(PART_BYTES, Math.max(64 << 10, bytes, this.#part.length * 2));
    const grown = Buffer.allocUnsafeSlow(size);
    this.#part.copy(grown, 0, 0, this.#filled);
    this.#part = grown;
  }

  #expect(state: 'open' | 'committed'): void {
    if (this.#state === state) return;
    throw this.#connection.error(
      `Expected ${this.#options.name} to be ${state} but found that it is ${this.#state} already.`,
      'This is a fault of img2features: please report it with the command that shows it.',
    );
  }
}
