import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Attempt } from './attempt.ts';
import { type Call, ObjectAnswer, type S3Connection } from './s3-connection.ts';

export interface WantedObject {
  readonly key: string;
  /** Bytes expected, as listed; undefined = any number. */
  readonly size?: number;
  /** As listed, without quotes: another version is refused. Empty = any. */
  readonly etag?: string;
  /** Where no size was listed: a larger object is refused unread. */
  readonly mostBytes?: number;
}

/** Where an ETag is the MD5 of the content: objects put whole, not encrypted with a key of one's own. */
const MD5 = /^[0-9a-f]{32}$/;

/** The bytes that came are not those that were stored. */
export class DamagedBody extends Error {
  override readonly name = 'DamagedBody';
}

/**
 * Reads objects whole, request and body in one loop of attempts.
 *
 * Bytes are checked: their number, and their MD5 where the ETag is one. Where it is none, or differs, the checksum
 * that the store kept is asked for. Some stores give ETags that only look like MD5 and keep no checksum: when no object
 * ever matched (or this one is encrypted) and two downloads agree, their bytes are taken. Objects without either
 * (multipart, on stores without checksums) are checked by their length alone.
 */
export class ObjectReader {
  readonly #connection: S3Connection;
  #matched = 0;
  #mismatched = 0;

  constructor(connection: S3Connection) {
    this.#connection = connection;
  }

  /** @throws ObjectAnswer; SourceError or ExportError; the signal's reason */
  async read(wanted: WantedObject, signal: AbortSignal): Promise<Uint8Array> {
    const { key, size, etag = '' } = wanted;
    const hasMd5 = MD5.test(etag) && (this.#matched > 0 || this.#mismatched < 3);
    let before: string | undefined;
    const request = { verb: 'read' as const, key, ...(size !== undefined && { bytes: size }) };
    return this.#connection.request(request, signal, async (call) => {
      const wantsChecksum = !hasMd5 || before !== undefined;
      const { bytes, encryption, hasChecksum } =
        (wantsChecksum ? undefined : await getDirect(wanted, call)) ??
        (await getThroughSdk(wanted, wantsChecksum, call));
      const isOwnKey = encryption !== undefined && encryption !== 'AES256';
      const md5 = hasMd5 && !isOwnKey ? md5Of(bytes) : undefined;
      if (md5 === undefined) return bytes;
      if (md5 === etag) {
        this.#matched++;
        return bytes;
      }
      const agrees = md5 === before && (this.#matched === 0 || encryption !== undefined);
      if (agrees || hasChecksum) {
        this.#mismatched++;
        return bytes;
      }
      before = md5;
      throw new DamagedBody(`bytes with MD5 ${md5} where the ETag says ${etag}`);
    });
  }

  /** Size and ETag. @throws ObjectAnswer; SourceError or ExportError */
  async head(key: string, signal: AbortSignal): Promise<{ size: number; etag: string }> {
    return this.#connection.request({ verb: 'read', key }, signal, async ({ sdk, base, send }) => {
      const head = await send(new sdk.HeadObjectCommand({ ...base, Key: key })).catch((error) => {
        // An answer to HEAD has no body that could name a code.
        throw error?.name === 'NotFound' ? new ObjectAnswer('vanished', error) : error;
      });
      return { size: head.ContentLength ?? 0, etag: (head.ETag ?? '').replaceAll('"', '') };
    });
  }

  /** Part of an object; only its length can be checked. @throws ObjectAnswer; SourceError or ExportError */
  async readRange(
    range: { key: string; etag: string; from: number; length: number },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { key, etag, from, length } = range;
    const request = { verb: 'read' as const, key, bytes: length };
    return this.#connection.request(request, signal, async (call) => {
      const Range = `bytes=${from}-${from + length - 1}`;
      const ifMatch = etag !== '' && { IfMatch: `"${etag}"` };
      const response = await call.send(
        new call.sdk.GetObjectCommand({ ...call.base, Key: key, Range, ...ifMatch }),
      );
      call.touch();
      return readBody(response.Body as unknown as IncomingMessage, length, call);
    });
  }
}

interface Got {
  readonly bytes: Uint8Array;
  /** How the store encrypts it: with `AES256` ETags are still MD5, with keys of one's own they are not. */
  readonly encryption: string | undefined;
  /** A checksum of the whole was there and fits. */
  readonly hasChecksum: boolean;
}

/** Without the SDK; undefined where only the SDK can decide. */
async function getDirect(wanted: WantedObject, call: Call): Promise<Got | undefined> {
  const { key, size, etag = '' } = wanted;
  const headers = {
    ...(etag !== '' && { 'if-match': `"${etag}"` }),
    ...(call.base.RequestPayer !== undefined && { 'x-amz-request-payer': call.base.RequestPayer }),
  };
  const response = await call.direct.get(key, headers, call.signal);
  if (response === undefined) return undefined;
  call.touch();
  const { statusCode, headers: said } = response;
  if (statusCode === 503 || statusCode === 429) {
    response.resume();
    // Asking again through the SDK would be one request more for a store that wants fewer.
    const name = statusCode === 503 ? 'SlowDown' : 'TooManyRequests';
    throw Object.assign(new Error(), { name, $response: { statusCode, headers: said } });
  }
  if (statusCode !== 200) {
    response.resume();
    return undefined;
  }
  expectSame(response, said.etag, etag);
  const encryption =
    said['x-amz-server-side-encryption-customer-algorithm'] === undefined
      ? said['x-amz-server-side-encryption']
      : 'customer';
  const bytes = await readBody(response, size ?? lengthOf(said['content-length']), call);
  return { bytes, encryption: encryption as string | undefined, hasChecksum: false };
}

/** The SDK compares the checksum when it is wanted and the store sends one. */
async function getThroughSdk(
  { key, size, etag = '', mostBytes = Number.POSITIVE_INFINITY }: WantedObject,
  wantsChecksum: boolean,
  { sdk, base, send, signal, touch }: Call,
): Promise<Got> {
  const response = await send(
    new sdk.GetObjectCommand({
      ...base,
      ...(wantsChecksum && { ChecksumMode: 'ENABLED' }),
      Key: key,
      ...(etag !== '' && { IfMatch: `"${etag}"` }),
    }),
  );
  touch();
  const body = response.Body as unknown as IncomingMessage;
  expectSame(body, response.ETag, etag);
  if ((response.ContentLength ?? 0) > mostBytes) {
    body.destroy();
    throw new ObjectAnswer('tooLarge', undefined);
  }
  return {
    bytes: await readBody(body, size ?? response.ContentLength, { signal, touch }),
    encryption:
      response.SSECustomerAlgorithm === undefined ? response.ServerSideEncryption : 'customer',
    hasChecksum: wantsChecksum && hasChecksum(response),
  };
}

/** Some stores ignore If-Match. @throws ObjectAnswer */
function expectSame(body: IncomingMessage, found: string | undefined, wanted: string): void {
  if (wanted === '' || found === undefined || found.replaceAll('"', '') === wanted) return;
  body.destroy();
  throw new ObjectAnswer('changed', undefined);
}

function lengthOf(header: string | undefined): number | undefined {
  return header === undefined ? undefined : Number(header);
}

/** @throws Error when the body is cut, too long or breaks; the attempt's signal ends it */
function readBody(
  body: IncomingMessage,
  size: number | undefined,
  { signal, touch }: Pick<Attempt, 'signal' | 'touch'>,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let isDone = false;
    const fail = (error: unknown) => {
      if (isDone) return;
      isDone = true;
      signal.removeEventListener('abort', onAbort);
      body.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    body.on('data', (chunk: Buffer) => {
      touch();
      chunks.push(chunk);
      length += chunk.length;
      if (size !== undefined && length > size)
        fail(new Error(`more than the ${size} bytes listed`));
    });
    body.on('error', fail);
    body.on('end', () => {
      if (size !== undefined && length !== size) {
        return fail(new Error(`a body of ${length} bytes instead of ${size}`));
      }
      isDone = true;
      signal.removeEventListener('abort', onAbort);
      resolve(concat(chunks, length));
    });
    body.on('close', () => fail(new Error(`a body that ended after ${length} bytes`)));
  });
}

/** One buffer of exactly the bytes, so that it can be transferred to a worker without a copy. */
function concat(chunks: readonly Buffer[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** Whether the store kept a checksum of the whole object; one of parts (`…-3`) is not compared. */
function hasChecksum(response: GetObjectCommandOutput): boolean {
  const { ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 } =
    response;
  const known = [ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256];
  return known.some((checksum) => checksum !== undefined && !checksum.includes('-'));
}

/** undefined where the system forbids MD5 (FIPS). */
function md5Of(bytes: Uint8Array): string | undefined {
  try {
    return createHash('md5').update(bytes).digest('hex');
  } catch {
    return undefined;
  }
}
