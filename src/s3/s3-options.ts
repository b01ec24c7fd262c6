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
