import { DecodeError } from '../image/decode-error.ts';
import { NameRule } from '../options/name-rule.ts';
import { ObjectReader } from '../s3/get-object.ts';
import { listManyObjects } from '../s3/list-many-objects.ts';
import { listObjects } from '../s3/list-objects.ts';
import type { S3Object } from '../s3/list-xml.ts';
import { folderKey, parseS3Url, type S3Address } from '../s3/s3-address.ts';
import { ObjectAnswer, S3Connection } from '../s3/s3-connection.ts';
import type { S3Options } from '../s3/s3-options.ts';
import { type Listed, type OriginForm, rejected, type Source, type SourceEntry } from './source.ts';

export interface S3SourceOptions {
  readonly originForm: OriginForm;
  readonly s3: S3Options;
  readonly names?: NameRule;
}

/**
 * Every image below `s3://bucket/prefix`, which is read as a folder (`dataset` lists `dataset/…`, never
 * `dataset2/…`), or one object. `names` applies as on disk; keys that
 * end with a slash are folders, and are not counted.
 */
export function openS3Source(input: string, options: S3SourceOptions): Source {
  const { originForm, names = new NameRule() } = options;
  const address = parseS3Url(input);
  const connection = new S3Connection(address.bucket, 'input', options.s3);
  const reader = new ObjectReader(connection);

  return {
    input,
    isLocal: false,
    isInStore: true,
    extensions: names.extensions,
    async *list(signal) {
      const single = await findObject(connection, address.key, names, signal);
      if (single !== undefined) {
        yield { kind: 'image', entry: entryOf(single, '', address, originForm) };
        return;
      }
      const prefix = folderKey(address.key);
      let found = 0;
      const skippedFolders = new Set<string>();
      const excludedOf = memoized((folder: string) => names.excludedFolder(folder));
      for await (const objects of listManyObjects(connection, prefix, signal)) {
        found += objects.length;
        for (const object of objects) {
          const path = object.key.slice(prefix.length);
          if (path.endsWith('/') || path === '') continue;
          const folder = excludedOf(path.slice(0, path.lastIndexOf('/') + 1));
          // A folder counts as one.
          if (folder !== undefined && skippedFolders.has(folder)) continue;
          if (folder !== undefined) skippedFolders.add(folder);
          const why = folder === undefined ? names.whyNotFile(path) : names.whyNotFolder(folder);
          if (why !== undefined) yield { kind: 'skipped', why };
          else yield { kind: 'image', entry: entryOf(object, prefix, address, originForm) };
        }
      }
      if (found === 0 && prefix !== '') {
        throw connection.error(
          `Expected objects below s3://${address.bucket}/${prefix} but found none.`,
          'Check the prefix: it is a folder, and capitals count.',
        );
      }
    },
    read: (entry: SourceEntry, signal: AbortSignal) => readEntry(reader, entry, signal),
    close: () => connection.close(),
  };
}

/**
 * The whole body of a listed object, whose `location` is its key.
 * @throws DecodeError when it is missing or has changed; SourceError when the store fails
 */
export async function readEntry(
  reader: ObjectReader,
  { location, size, version }: SourceEntry,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const etag = version.startsWith(MODIFIED) ? '' : version;
  try {
    return await reader.read({ key: location, size, etag }, signal);
  } catch (error) {
    throw error instanceof ObjectAnswer ? rejectionOf(error) : error;
  }
}

/** Of a function that is asked for the same text many times in a row. */
function memoized<T>(of: (text: string) => T): (text: string) => T {
  let last: { readonly text: string; readonly value: T } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, value: of(text) };
    return last.value;
  };
}

/** Marks a version that is a time, where a store gives no ETag. */
const MODIFIED = 'modified ';

/** What is known of an object without its body; a relative origin omits `prefix`. */
export function entryOf(
  { key, size, etag, modified }: S3Object,
  prefix: string,
  address: S3Address,
  form: OriginForm,
): SourceEntry {
  // The nearest folder that has a name: `a//1.jpg` is in `a`, `1.jpg` in the bucket.
  const folders = key.split('/').slice(0, -1);
  return {
    origin: originOf(form, key, prefix, address),
    target: folders.findLast((folder) => folder !== '') ?? address.bucket,
    location: key,
    size,
    version: etag === '' ? `${MODIFIED}${modified}` : etag,
  };
}

/** `path` is `s3://bucket/key` exactly; `url` is Spark's form, with the scheme as given. */
function originOf(
  form: OriginForm,
  key: string,
  prefix: string,
  { scheme, bucket }: S3Address,
): string {
  if (form === 'relative') return key.slice(prefix.length);
  if (form === 'path') return `s3://${bucket}/${key}`;
  return `${scheme}://${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

/** The object itself, when the user named one; undefined when it is a folder. */
async function findObject(
  connection: S3Connection,
  key: string,
  names: NameRule,
  signal: AbortSignal,
): Promise<S3Object | undefined> {
  const isFolder = key === '' || key.endsWith('/');
  if (isFolder || names.whyNotFile(key.slice(key.lastIndexOf('/') + 1))) return undefined;
  // A list, not HEAD: only a list says in its body why it is refused.
  for await (const object of listObjects(connection, { prefix: key }, signal)) {
    return object.key === key ? object : undefined;
  }
  return undefined;
}

/** What an answer of the store about one object means for an image. */
export function rejectionOf({ answer, cause }: ObjectAnswer): DecodeError {
  if (answer === 'changed') {
    const message = 'Expected the object as it was listed but found that it changed since.';
    return new DecodeError('changed', message, cause);
  }
  if (answer === 'archived') {
    const message =
      'Expected a readable object but found it in an archive class; restore it first.';
    return new DecodeError('unreadable', message, cause);
  }
  if (answer === 'tooLarge') {
    const message = 'Expected an object no larger than an image of --max-pixels but found more.';
    return new DecodeError('too_many_pixels', message, cause);
  }
  const message = 'Expected the object as it was listed but found it gone since.';
  return new DecodeError('vanished', message, cause);
}

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
      return rejected(origin, 'not_a_file', message);
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
      return rejected(origin, reason, message);
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
