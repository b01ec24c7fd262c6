import type * as S3Sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { boundAnswers } from './bounded-answer.ts';
import { DirectGet } from './direct-get.ts';
import { proxyOptions } from './proxy.ts';
import { namedEndpoint, pathStyleOf, type S3Options } from './s3-options.ts';

export type Sdk = typeof S3Sdk;

export interface OpenedClient {
  readonly client: S3Client;
  readonly sdk: Sdk;
  readonly direct: DirectGet;
  readonly region: string;
}

/** The SDK's client for one bucket, loaded on first use. */
export async function openClient(
  bucket: string,
  options: S3Options,
  region: string | undefined,
): Promise<OpenedClient> {
  // On Node 20 the SDK warns that it will drop that release; the user can do nothing about it.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint, profile, isAnonymous = false, timeoutMs } = options;
  const proxy = proxyOptions(namedEndpoint(options));
  const sockets = { keepAlive: true, maxSockets: 128, keepAliveMsecs: 1000, ...proxy };
  const config = {
    ...(endpoint !== undefined && { endpoint }),
    ...(profile !== undefined && { profile }),
    ...(isAnonymous && UNSIGNED),
    forcePathStyle: pathStyleOf(options),
    // Without one, the SDK writes its advice to the user's terminal.
    logger: SILENT,
    // One loop over request and body does all the retrying.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: timeoutMs,
      httpAgent: sockets,
      httpsAgent: sockets,
      // Our own limit already queues requests, so the agent need not.
      socketAcquisitionWarningTimeout: 2 ** 30,
    },
    // Bodies are checked against the ETag; where that is no MD5, the checksum is asked for.
    responseChecksumValidation: 'WHEN_REQUIRED' as const,
  };
  const found = region ?? (await regionOfChain(new sdk.S3Client(config)));
  const client = new sdk.S3Client({ ...config, region: found });
  boundAnswers(client);
  const direct = new DirectGet(client, { region: found, bucket, isAnonymous, sockets });
  return { client, sdk, direct, region: found };
}

/** No credentials are looked for, and requests go as they are. */
const UNSIGNED = {
  credentials: { accessKeyId: '', secretAccessKey: '' },
  signer: { sign: async <T>(request: T): Promise<T> => request },
};

const silence = () => {};
const SILENT = { trace: silence, debug: silence, info: silence, warn: silence, error: silence };

/** AWS_REGION, the profile's, or where buckets are asked for by default. */
async function regionOfChain(client: S3Client): Promise<string> {
  try {
    return await client.config.region();
  } catch {
    return 'us-east-1';
  } finally {
    client.destroy();
  }
}
