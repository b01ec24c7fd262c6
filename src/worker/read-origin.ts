import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SourceError } from '../errors.ts';
import { mostBytesOf } from '../image/read-image-file.ts';
import { ObjectReader } from '../s3/get-object.ts';
import { isS3Url, parseS3Url, type S3Address } from '../s3/s3-address.ts';
import { ObjectAnswer, S3Connection } from '../s3/s3-connection.ts';
import type { S3Options } from '../s3/s3-options.ts';
import { rejectionOf } from '../source/s3-source.ts';

/** Where the worker finds an image by its origin alone. */
export type Location =
  | { readonly kind: 'path'; readonly path: string }
  | ({ readonly kind: 's3' } & S3Address);

/**
 * `file:///a%20b.jpg` is a URL and is decoded; `file:/a b.jpg`, with one slash, is how Hadoop and Spark write a path
 * and is used as written. `s3://` and `s3a://` keys are used as written. What has no scheme is a path.
 * @throws SourceError for a store that is not read here
 */
export function locateOrigin(origin: string): Location {
  if (isS3Url(origin)) return { kind: 's3', ...parseS3Url(origin) };
  const path = localPath(origin);
  if (path !== undefined) return { kind: 'path', path };
  throw new SourceError(
    `Expected a path, file:// or s3:// to read an image from but found the origin ${origin}.`,
    { fix: 'Send the bytes in a column content: other stores are not read here.' },
  );
}

/**
 * The class of an image: the folder that holds it, as `extract` says it. Origins of any scheme have one; the
 * nearest folder with a name counts, else the bucket.
 */
export function targetOf(origin: string): string {
  const path = localPath(origin);
  if (path !== undefined) return basename(dirname(path));
  const [, authority = '', rest = ''] = /^[a-z][a-z0-9+.-]*:(?:\/\/([^/]*))?(.*)$/is.exec(origin)!;
  const folders = rest.split('/').slice(0, -1);
  return folders.findLast((folder) => folder !== '') ?? authority;
}

/** undefined for an origin of another scheme. */
function localPath(origin: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]+):\//i.exec(origin)?.[1];
  if (scheme === undefined) return resolve(origin);
  if (scheme.toLowerCase() !== 'file') return undefined;
  if (!/^file:\/\//i.test(origin)) return origin.slice('file:'.length);
  try {
    return fileURLToPath(origin);
  } catch {
    // A host, or an invalid escape: no file has that name.
    return origin.slice('file://'.length);
  }
}

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
