import { mostBytesOf } from '../image/read-image-file.ts';
import { ObjectReader } from '../s3/get-object.ts';
import type { S3Address } from '../s3/s3-address.ts';
import { ObjectAnswer, S3Connection } from '../s3/s3-connection.ts';
import type { S3Options } from '../s3/s3-options.ts';
import { rejectionOf } from '../source/s3-source.ts';

/** Reads objects of any bucket; a connection is made with the first object of its bucket. */
export class RemoteReader {
  readonly #options: S3Options;
  readonly #mostBytes: number;
  readonly #buckets = new Map<string, { connection: S3Connection; reader: ObjectReader }>();

  /** @param maxPixels objects larger than any image of so many pixels are rejected unread */
  constructor(options: S3Options, maxPixels: number) {
    this.#options = options;
    this.#mostBytes = mostBytesOf(maxPixels);
  }

  /** @throws DecodeError when this one object is missing; SourceError when the store fails */
  async read({ bucket, key }: S3Address, signal: AbortSignal): Promise<Uint8Array> {
    try {
      return await this.#open(bucket).read({ key, mostBytes: this.#mostBytes }, signal);
    } catch (error) {
      throw error instanceof ObjectAnswer ? rejectionOf(error) : error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#buckets.values()].map(({ connection }) => connection.close()));
  }

  #open(bucket: string): ObjectReader {
    const known = this.#buckets.get(bucket);
    if (known !== undefined) return known.reader;
    const connection = new S3Connection(bucket, 'input', this.#options);
    const reader = new ObjectReader(connection);
    this.#buckets.set(bucket, { connection, reader });
    return reader;
  }
}
