import { createHash, createHmac } from 'node:crypto';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface GetToSign {
  /** As the Host header has it. */
  readonly host: string;
  /** Percent-encoded, from the first slash. */
  readonly path: string;
  /** Of the signing, with the clock's known error taken off. */
  readonly date: Date;
  readonly region: string;
  /** More headers of the request named `x-amz-…`, which must be signed; lower case. */
  readonly amzHeaders?: Readonly<Record<string, string>>;
}

/** SHA-256 of no body. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/**
 * Headers of a GET without query, signed with AWS Signature Version 4 for S3.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function signGet(
  { host, path, date, region, amzHeaders = {} }: GetToSign,
  credentials: Credentials,
): Record<string, string> {
  const time = date.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const headers: Record<string, string> = {
    host,
    'x-amz-content-sha256': EMPTY_SHA256,
    'x-amz-date': time,
    ...amzHeaders,
    ...(credentials.sessionToken !== undefined && {
      'x-amz-security-token': credentials.sessionToken,
    }),
  };
  const names = Object.keys(headers).sort();
  const signed = names.join(';');
  const lines = names.map((name) => `${name}:${headers[name].trim()}\n`).join('');
  const canonical = `GET\n${path}\n\n${lines}\n${signed}\n${EMPTY_SHA256}`;
  const scope = `${day}/${region}/s3/aws4_request`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const key = signingKey(credentials.secretAccessKey, day, region);
  const signature = createHmac('sha256', key)
    .update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash}`)
    .digest('hex');
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
  return headers;
}

/** The last key made: it holds for a day, a region and a secret. */
let lastKey: { readonly secret: string; readonly scope: string; readonly key: Buffer } | undefined;

function signingKey(secret: string, day: string, region: string): Buffer {
  const scope = `${day}/${region}`;
  if (lastKey?.secret === secret && lastKey.scope === scope) return lastKey.key;
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (last, part) => createHmac('sha256', last).update(part).digest(),
    `AWS4${secret}`,
  ) as Buffer;
  lastKey = { secret, scope, key };
  return key;
}

/** A key in a path: all but unreserved characters and slashes encoded, as S3 signs it. */
export function encodeKey(key: string): string {
  return encodeURIComponent(key).replace(/%2F|[!'()*]/g, (found) =>
    found === '%2F' ? '/' : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
