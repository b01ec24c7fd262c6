import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { decodeKey, keyAsIs, type S3Object, takenContents } from './list-xml.ts';
import type { S3Connection } from './s3-connection.ts';

export interface ListOptions {
  readonly prefix: string;
  /** `/` lists one folder without what is below it. */
  readonly delimiter?: '/';
  /** Keys in a page; the store's own 1,000 without it. */
  readonly most?: number;
}

/** A request for one page. */
export interface PageOptions extends ListOptions {
  /** Keys after this one. */
  readonly after?: string | undefined;
  /** What the page before said of the next. */
  readonly token?: string | undefined;
}

export interface ListPage {
  readonly objects: readonly S3Object[];
  /** With a delimiter: the prefixes of what is below. */
  readonly folders: readonly string[];
  /** Of the next page; undefined for the last one. */
  readonly token: string | undefined;
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
  let next: Promise<ListPage> | undefined = listPage(connection, options, signal);
  try {
    while (next !== undefined) {
      const { objects, token }: ListPage = await next;
      next = token === undefined ? undefined : listPage(connection, { ...options, token }, signal);
      next?.catch(() => {}); // the error is handled below
      yield* objects;
    }
  } finally {
    await next?.catch(() => {});
  }
}

/** @throws SourceError or ExportError */
export async function listPage(
  connection: S3Connection,
  { prefix, delimiter, most, after, token }: PageOptions,
  signal: AbortSignal,
): Promise<ListPage> {
  const request = { verb: 'list' as const, key: prefix };
  const page = await connection.request(request, signal, async ({ sdk, base, send }) => {
    const command = new sdk.ListObjectsV2Command({
      ...base,
      Prefix: prefix,
      // Keys may hold characters that XML cannot.
      EncodingType: 'url',
      ...(delimiter !== undefined && { Delimiter: delimiter }),
      ...(most !== undefined && { MaxKeys: most }),
      ...(token !== undefined ? { ContinuationToken: token } : { StartAfter: after }),
    });
    const said = await send(command);
    const objects = takenContents(command.input) ?? objectsOf(said);
    const folders = (said.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix);
    // XML that was cut can still parse.
    const found = objects.length + folders.length;
    if (said.KeyCount !== undefined && said.KeyCount !== found) {
      throw new Error(`a list of ${found} names that says it has ${said.KeyCount}`);
    }
    return { said, objects, folders };
  });
  const { IsTruncated = false, NextContinuationToken: next, EncodingType } = page.said;
  if (IsTruncated && (next === undefined || next === token)) {
    throw connection.error(
      `Expected the list of ${connection.urlOf(prefix)} to continue but found no next page.`,
      'This store does not list as S3 does (ListObjectsV2): its answer is not complete.',
    );
  }
  const folders = EncodingType === 'url' ? page.folders.map(decodeKey) : page.folders;
  return { objects: page.objects, folders, token: IsTruncated ? next : undefined };
}

/** Of a page that the SDK has parsed. */
function objectsOf({ Contents = [], EncodingType }: ListObjectsV2CommandOutput): S3Object[] {
  const decode = EncodingType === 'url' ? decodeKey : keyAsIs;
  return Contents.map(({ Key = '', Size = 0, ETag = '', LastModified }) => ({
    key: decode(Key),
    size: Size,
    etag: ETag.replaceAll('"', ''),
    modified: LastModified?.toISOString() ?? '',
  }));
}
