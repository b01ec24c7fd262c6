import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SourceError } from '../errors.ts';
import { isS3Url, parseS3Url, type S3Address } from '../s3/s3-address.ts';

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
