import { ObjectReader } from '../s3/get-object.ts';
import { listObjects } from '../s3/list-objects.ts';
import { parseS3Url } from '../s3/s3-address.ts';
import { ObjectAnswer, S3Connection } from '../s3/s3-connection.ts';
import { entryOf, readEntry, rejectionOf, type S3SourceOptions } from './s3-source.ts';
import type { Listed, SourceEntry } from './source.ts';

interface Bucket {
  readonly connection: S3Connection;
  readonly reader: ObjectReader;
  /** Proof that the bucket exists and may be read: a request for one object would not say why it fails. */
  readonly proof: Promise<void>;
}

/** Objects that a list names one by one, in any number of buckets; their `location` is `s3://bucket/key`. */
export class NamedObjects {
  readonly #options: S3SourceOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: S3SourceOptions) {
    this.#options = options;
  }

  /**
   * Size and ETag of one object; one that is not there is a rejection, as a missing file is.
   * @throws SourceError when its bucket cannot be read; OptionError for a malformed URL
   */
  async find(url: string, signal: AbortSignal): Promise<Listed> {
    const address = parseS3Url(url);
    const { bucket, key } = address;
    // Keys of several buckets in one list: without the bucket they would not be unique.
    const form = this.#options.originForm === 'url' ? 'url' : 'path';
    const entryFor = (size: number, etag: string): SourceEntry => ({
      ...entryOf({ key, size, etag, modified: '' }, '', address, form),
      location: `s3://${bucket}/${key}`,
      version: etag,
    });
    const { origin } = entryFor(0, '');
    if (key === '' || key.endsWith('/')) {
      const message = 'Expected the name of an object but found that of a folder.';
      return { kind: 'rejected', rejection: { origin, reason: 'not_a_file', message } };
    }
    const { reader, proof } = this.#open(bucket, key, signal);
    await proof;
    try {
      const { size, etag } = await reader.head(key, signal);
      return { kind: 'image', entry: entryFor(size, etag) };
    } catch (error) {
      if (!(error instanceof ObjectAnswer)) throw error;
      const { reason } = rejectionOf(error);
      const message = 'Expected an object but the store has none of that name, or refuses it.';
      return { kind: 'rejected', rejection: { origin, reason, message } };
    }
  }

  /** @throws DecodeError when this one object is missing or has changed; SourceError when the store fails */
  read(entry: SourceEntry, signal: AbortSignal): Promise<Uint8Array> {
    const { bucket, key } = parseS3Url(entry.location);
    return readEntry(this.#open(bucket, key, signal).reader, { ...entry, location: key }, signal);
  }

  async close(): Promise<void> {
    for (const { connection } of this.#buckets.values()) await connection.close();
  }

  #open(name: string, key: string, signal: AbortSignal): Bucket {
    const known = this.#buckets.get(name);
    if (known !== undefined) return known;
    const connection = new S3Connection(name, 'input', this.#options.s3);
    const proof = proveReadable(connection, key, signal);
    proof.catch(() => {}); // the error is handled by every reader of an object
    const bucket = { connection, reader: new ObjectReader(connection), proof };
    this.#buckets.set(name, bucket);
    return bucket;
  }
}

/** A list, not HEAD: only a list says in its body why it is refused. */
async function proveReadable(
  connection: S3Connection,
  prefix: string,
  signal: AbortSignal,
): Promise<void> {
  for await (const _ of listObjects(connection, { prefix }, signal)) return;
}
