import {
  type AgentOptions,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { S3Client } from '@aws-sdk/client-s3';
import { type Credentials, encodeKey, signGet } from './sign-get.ts';

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
