import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import type { S3Connection } from './s3-connection.ts';

export interface S3Object {
  readonly key: string;
  readonly size: number;
  /** Without its quotes; empty where the store gives none. */
  readonly etag: string;
  /** ISO 8601, or empty. */
  readonly modified: string;
}

export interface ListOptions {
  readonly prefix: string;
  /** `/` lists one folder without what is below it. */
  readonly delimiter?: '/';
  /** Keys in a page; the store's own 1,000 without it. */
  readonly most?: number;
}

/**
 * All objects below a prefix, in the store's order. In memory: two pages of at most 1,000, the second in
 * flight while the first is used.
 *
 * @throws SourceError or ExportError
 */
export async function* listObjects(
  connection: S3Connection,
  options: ListOptions,
  signal: AbortSignal,
): AsyncGenerator<S3Object> {
  let next: Promise<ListObjectsV2CommandOutput> | undefined = listPage(
    connection,
    options,
    undefined,
    signal,
  );
  try {
    let token: string | undefined;
    while (next !== undefined) {
      const page: ListObjectsV2CommandOutput = await next;
      const more: string | undefined = page.IsTruncated ? page.NextContinuationToken : undefined;
      if (page.IsTruncated && (more === undefined || more === token)) {
        throw connection.error(
          `Expected the list of ${connection.urlOf(options.prefix)} to continue but found no next page.`,
          'This store does not list as S3 does (ListObjectsV2): its answer is not complete.',
        );
      }
      next = more === undefined ? undefined : listPage(connection, options, more, signal);
      next?.catch(() => {}); // the error is handled below
      token = more;
      const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
      for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
        if (Key === undefined) continue;
        yield {
          key: decode(Key),
          size: Size ?? 0,
          etag: (ETag ?? '').replaceAll('"', ''),
          modified: LastModified?.toISOString() ?? '',
        };
      }
    }
  } finally {
    await next?.catch(() => {});
  }
}

function listPage(
  connection: S3Connection,
  { prefix, delimiter, most }: ListOptions,
  token: string | undefined,
  signal: AbortSignal,
): Promise<ListObjectsV2CommandOutput> {
  const request = { verb: 'list' as const, key: prefix };
  return connection.request(request, signal, async ({ sdk, base, send }) => {
    const page = await send(
      new sdk.ListObjectsV2Command({
        ...base,
        Prefix: prefix,
        // Keys may hold characters that XML cannot.
        EncodingType: 'url',
        ...(delimiter !== undefined && { Delimiter: delimiter }),
        ...(most !== undefined && { MaxKeys: most }),
        ...(token !== undefined && { ContinuationToken: token }),
      }),
    );
    // XML that was cut can still parse.
    const found = (page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0);
    if (page.KeyCount !== undefined && page.KeyCount !== found) {
      throw new Error(`a list of ${found} names that says it has ${page.KeyCount}`);
    }
    return page;
  });
}

/** Stores write a space as `+` or `%20`, and a plus always as `%2B`. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}
