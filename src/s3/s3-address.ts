import { OptionError } from '../errors.ts';

/** `s3://bucket/key`: everything after the first slash is the key, as written; nothing is decoded. */
export interface S3Address {
  /** As written; `s3a` is Hadoop's name for the same. */
  readonly scheme: 's3' | 's3a';
  readonly bucket: string;
  /** Empty for the whole bucket. */
  readonly key: string;
}

export function isS3Url(text: string): boolean {
  return /^s3a?:\/\//i.test(text);
}

/** @throws OptionError when there is no bucket that a store could have. */
export function parseS3Url(url: string): S3Address {
  const [, scheme, bucket, key] = /^(s3a?):\/\/([^/]*)(?:\/(.*))?$/is.exec(url) ?? [];
  if (scheme === undefined || !/^[a-z0-9][a-z0-9._-]{1,254}$/i.test(bucket)) {
    throw new OptionError(
      `Expected s3://bucket/prefix but received ${url}${bucket === '' ? ' (no bucket)' : ''}.`,
      { fix: 'A bucket name has letters, digits, dots, dashes and underscores only.' },
    );
  }
  return { scheme: scheme.toLowerCase() as 's3' | 's3a', bucket, key: key ?? '' };
}

/** `prefix` as a folder: empty, or with a slash at its end. */
export function folderKey(key: string): string {
  return key === '' || key.endsWith('/') ? key : `${key}/`;
}
