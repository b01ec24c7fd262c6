import type { Readable } from 'node:stream';
import type * as S3Sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { show } from '../json.ts';
import { DirectGet } from './direct-get.ts';
import { takeContents } from './list-xml.ts';
import { namedEndpoint, pathStyleOf, proxyOptions, type S3Options } from './s3-options.ts';

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

/** A page of a thousand keys of the longest kind, percent-encoded, is 4 MB. */
const MAX_BYTES = 16 * 1024 * 1024;

/** What answers is no S3 store, even where its status is a success. */
class NotS3 extends Error {
  override readonly name = 'NotS3';
}

interface Response {
  readonly statusCode: number;
  body?: Readable | Uint8Array;
}

/**
 * Makes the client check answers before it reads XML from them: one that does not end is cut, and a list of objects
 * must be one. The SDK takes any other document for a list without entries.
 */
function boundAnswers(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const result = await next(args);
        const response = result.response as Response;
        const isDone = response.statusCode >= 200 && response.statusCode < 300;
        // The body of an object is read by us, under its own bounds.
        if ((commandName === 'GetObjectCommand' && isDone) || response.body === undefined)
          return result;
        const body = await readBody(response.body);
        response.body = body;
        if (isDone && commandName === 'ListObjectsV2Command') {
          expectList(body);
          response.body = takeContents(body, args.input);
        }
        return result;
      },
    { step: 'deserialize', priority: 'low', name: 'boundAnswers' },
  );
}

async function readBody(body: Readable | Uint8Array): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > MAX_BYTES) {
      body.destroy();
      throw new NotS3(`an answer of more than ${MAX_BYTES} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** An XML declaration may come first, nothing else: a document type could name entities. */
function expectList(body: Buffer): void {
  const head = body.toString('latin1', 0, 1000);
  if (/^\s*(<\?xml[^>]*\?>\s*)?<ListBucketResult[\s>]/.test(head)) return;
  // Asked again: a proxy failed.
  if (head.trim() === '') throw new Error('an empty answer');
  throw new NotS3(`${show(head.trim().slice(0, 60))} in place of a list`);
}
