import type { AgentOptions } from 'node:http';
import type { ExtractOptions } from '../options/extract-options.ts';
import type { STORE_KEYS } from '../options/option-keys.ts';

/** How a store is reached; options that are not given come from the SDK's usual chain (AWS_*, profiles, roles). */
export interface S3Options {
  /** URL of an S3-compatible store; undefined = AWS, or AWS_ENDPOINT_URL_S3. */
  readonly endpoint: string | undefined;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`; undefined = with an endpoint. */
  readonly pathStyle: boolean | undefined;
  readonly region: string | undefined;
  readonly profile: string | undefined;
  readonly requesterPays: boolean;
  /** Requests are not signed: public buckets, without credentials. */
  readonly isAnonymous?: boolean;
  /** A request without a byte for so long is cut and tried again. */
  readonly timeoutMs: number;
  /** One request is tried again for so long before the run gives up. */
  readonly patienceMs: number;
}

/** The options of a run that concern stores. */
export type StoreOptions = Pick<ExtractOptions, (typeof STORE_KEYS)[number]>;

export function s3OptionsOf(options: StoreOptions): S3Options {
  return {
    endpoint: options.s3Endpoint,
    pathStyle: options.s3PathStyle,
    region: options.s3Region,
    profile: options.s3Profile,
    requesterPays: options.requesterPays,
    isAnonymous: options.s3Anonymous,
    timeoutMs: options.s3Timeout * 1000,
    patienceMs: options.s3Patience * 1000,
  };
}

/** The endpoint that is not AWS' own, however it was named. */
export function namedEndpoint(
  options: Pick<S3Options, 'endpoint'>,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  return options.endpoint ?? (env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined);
}

/** Whether the bucket is in the path of a URL. */
export function pathStyleOf(options: S3Options): boolean {
  return options.pathStyle ?? namedEndpoint(options) !== undefined;
}

/**
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Node's own agents follow them where the option asks for it, from 22.21 and 24.5 on;
 * older releases ignore the option.
 */

type ProxyOptions = AgentOptions & { readonly proxyEnv?: NodeJS.ProcessEnv };

/** What an agent needs to reach a store. A store on this machine is always reached directly. */
export function proxyOptions(
  endpoint: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): ProxyOptions {
  return isLoopback(endpoint) ? {} : { proxyEnv: env };
}

/** What to say of a proxy when a store cannot be reached; undefined where none is asked for. */
export function proxyAdvice(
  endpoint: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
  node: string = process.versions.node,
): string | undefined {
  if (isLoopback(endpoint)) return undefined;
  const name = endpoint?.startsWith('http:') ? 'HTTP_PROXY' : 'HTTPS_PROXY';
  const found = [name, name.toLowerCase()].find((variable) => env[variable]);
  if (found === undefined) return undefined;
  return knowsProxies(node)
    ? `${found} is set: check that proxy, or name the store's host in NO_PROXY.`
    : `${found} is set, but Node.js ${node} reaches stores without a proxy: use 22.21, 24.5 or newer.`;
}

/** Whether this release of Node.js sends an agent's requests through a proxy. */
export function knowsProxies(node: string): boolean {
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major === 22) return minor >= 21;
  return major === 24 ? minor >= 5 : major > 24;
}

function isLoopback(endpoint: string | undefined): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return false;
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
