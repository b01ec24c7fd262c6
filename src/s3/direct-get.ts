import { createHash, createHmac } from 'node:crypto';
import {
  type AgentOptions,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { S3Client } from '@aws-sdk/client-s3';

/** Where the SDK sends requests for objects of one bucket, learnt from its first. */
interface Target {
  readonly isHttps: boolean;
  readonly hostname: string;
  readonly port: number | undefined;
  readonly host: string;
  /** The part before the key. */
  readonly base: string;
}

export interface DirectGetOptions {
  readonly region: string;
  readonly bucket: string;
  /** Requests go without a signature. */
  readonly isAnonymous: boolean;
  /** Of the agents, as the SDK's. */
  readonly sockets: AgentOptions;
}

/** What the SDK's config holds at run time beyond its types. */
interface SdkConfig {
  readonly credentials?: () => Promise<Credentials>;
  readonly systemClockOffset?: number;
}

/**
 * GETs of small objects without the SDK's pipeline, which costs more time than fetching and decoding such an
 * image (1.3 ms of one core against 0.4). Host, path and credentials are the SDK's; only its signature
 * is made here. Anything but a plain success is asked again through the SDK, which knows what errors mean.
 */
export class DirectGet {
  readonly #client: S3Client;
  readonly #region: string;
  readonly #agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  readonly #isAnonymous: boolean;
  #target: Target | 'none' | undefined;

  constructor(client: S3Client, { region, bucket, isAnonymous, sockets }: DirectGetOptions) {
    this.#isAnonymous = isAnonymous;
    this.#client = client;
    this.#region = region;
    this.#agents = { http: new HttpAgent(sockets), https: new HttpsAgent(sockets) };
    // Directory buckets are signed with a session of their own.
    if (bucket.endsWith('--x-s3')) this.#target = 'none';
    else this.#learnTarget();
  }

  /**
   * The response as it comes, its body unread; undefined where only the SDK can ask.
   * @param headers further headers, lower case
   */
  async get(
    key: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage | undefined> {
    const target = this.#target;
    const { credentials, systemClockOffset = 0 } = this.#client.config as unknown as SdkConfig;
    if (target === undefined || target === 'none' || credentials === undefined) return undefined;
    const path = target.base + encodeKey(key);
    const amzHeaders = Object.fromEntries(
      Object.entries(headers).filter(([name]) => name.startsWith('x-amz-')),
    );
    const date = new Date(Date.now() + systemClockOffset);
    const toSign = { host: target.host, path, date, region: this.#region, amzHeaders };
    const signed = this.#isAnonymous ? { host: target.host } : signGet(toSign, await credentials());
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const { hostname, port, isHttps } = target;
      const where = { hostname, port, path, headers: { ...headers, ...signed } };
      const request = isHttps
        ? requestHttps({ ...where, agent: this.#agents.https })
        : requestHttp({ ...where, agent: this.#agents.http });
      const onAbort = () => request.destroy(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      request.on('response', resolve);
      request.on('error', reject);
      request.on('close', () => signal.removeEventListener('abort', onAbort));
      request.end();
    });
  }

  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  /** Looks at the SDK's own requests until one shows where objects are. */
  #learnTarget(): void {
    this.#client.middlewareStack.add(
      (next, context) => (args) => {
        const { Key } = args.input as { Key?: string };
        if (this.#target === undefined && context.commandName === 'GetObjectCommand' && Key) {
          this.#target = targetOf(args.request as SdkRequest, Key);
        }
        return next(args);
      },
      { step: 'build', priority: 'low', name: 'learnTarget' },
    );
  }
}

interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
}

/** `none` when the request has not the form that we would make. */
function targetOf({ protocol, hostname, port, path }: SdkRequest, key: string): Target | 'none' {
  const encoded = encodeKey(key);
  if (!path.endsWith(`/${encoded}`) || !/^https?:$/.test(protocol)) return 'none';
  return {
    isHttps: protocol === 'https:',
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port,
    host: port === undefined ? hostname : `${hostname}:${port}`,
    base: path.slice(0, path.length - encoded.length),
  };
}

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

interface GetToSign {
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
