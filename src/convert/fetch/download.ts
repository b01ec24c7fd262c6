import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, request } from 'undici';
import { errnoOf, isImg2FeaturesError, ModelError } from '../../errors.ts';
import { createHttpClient } from './http-client.ts';
import { PartFile, type PartOrigin } from './part-file.ts';

export interface DownloadOptions {
  /** Without user and password: it is printed, and noted beside what is downloaded. */
  readonly url: string;
  /** For that host alone: a redirect to another one does not get it. */
  readonly credentials?: { readonly user: string; readonly password: string } | undefined;
  /** Where the file will be; `<path>.part` until it is whole and checked. */
  readonly path: string;
  /** Published MD5, hex. Without it the server's own (x-goog-hash) is checked where it sends one. */
  readonly md5?: string | undefined;
  /** Pinned by us, hex. */
  readonly sha256?: string | undefined;
  readonly bytes?: number | undefined;
  /** Bytes so far, of how many (undefined when the server does not say). */
  readonly onProgress?: (done: number, total: number | undefined) => void;
  /** Called when another server answers than the one that was named. */
  readonly onRedirect?: (origin: string) => void;
  /** Called before each new try. */
  readonly onRetry?: (reason: string, waitMs: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Tries after the first that bring no new byte; default 5. Progress starts the count again. */
  readonly retries?: number;
  /** First wait before a new try, doubled each time; default 1,000 ms. */
  readonly backoffMs?: number;
  readonly connectTimeoutMs?: number;
  readonly stallTimeoutMs?: number;
}

export interface Downloaded {
  readonly bytes: number;
  readonly md5: string;
  /** What the content was checked against. */
  readonly checkedBy: 'pinned SHA-256' | 'published MD5' | 'MD5 from the server' | 'length';
}

/** A failure after which a new try may succeed. */
class Passing extends Error {
  readonly waitMs: number | undefined;
  constructor(message: string, waitMs?: number, cause?: unknown) {
    super(message, { cause });
    this.waitMs = waitMs;
  }
}

const MAX_WAIT_MS = 60_000;
const FIX =
  'Check the connection and the proxy (HTTPS_PROXY, NO_PROXY), or name a mirror (--mirror or IMG2FEATURES_WEIGHTS_MIRROR). A file downloaded by other means can be converted: img2features model convert <file> --arch <name>.';

/**
 * Downloads a file, resuming where an earlier try or run stopped if the server still has the same
 * file, and sums it while it streams.
 * @throws ModelError when the server refuses, does not answer any try, or sends another content
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { signal, retries = 5, backoffMs = 1000 } = options;
  const client = createHttpClient({
    connectTimeoutMs: options.connectTimeoutMs ?? 30_000,
    stallTimeoutMs: options.stallTimeoutMs ?? 30_000,
  });
  const part = new PartFile(options.path);
  let failures = 0;
  let farthest = 0;
  try {
    for (;;) {
      try {
        return await tryOnce(options, part, client.dispatcher);
      } catch (error) {
        signal?.throwIfAborted();
        if (isImg2FeaturesError(error)) throw error;
        const passing = asPassing(error);
        if (passing === undefined) throw diskFailure(options, error);
        if (part.bytes > farthest) failures = 0;
        farthest = Math.max(farthest, part.bytes);
        failures++;
        if (failures > retries) throw noLuck(options, passing, failures);
        const waitMs = Math.min(MAX_WAIT_MS, passing.waitMs ?? backoffMs * 2 ** (failures - 1));
        options.onRetry?.(passing.message, waitMs);
        await sleep(waitMs, undefined, signal ? { signal } : {});
      }
    }
  } finally {
    await part.pause();
    await client.close();
  }
}

async function tryOnce(
  options: DownloadOptions,
  part: PartFile,
  dispatcher: Dispatcher,
): Promise<Downloaded> {
  const { url, signal } = options;
  const origin = await part.resume(url);
  const wanted = origin
    ? { range: `bytes=${part.bytes}-`, 'if-range': origin.validator }
    : undefined;
  const response = await request(url, {
    dispatcher,
    // With a compressed transfer offsets and sums would be wrong.
    headers: {
      'accept-encoding': 'identity',
      'user-agent': 'img2features',
      ...wanted,
      ...authorization(options),
    },
    signal: signal ?? null,
  });
  try {
    reportRedirect(options, response);
    const total = await beginBody(options, part, response);
    for await (const chunk of response.body) {
      await part.append(chunk as Uint8Array);
      options.onProgress?.(part.bytes, total);
    }
    if (total !== undefined && part.bytes < total) {
      throw new Passing(`the connection ended after ${part.bytes} of ${total} bytes`);
    }
    return await finish(options, part, response, origin !== undefined);
  } finally {
    response.body.on('error', () => {}).destroy();
  }
}

function authorization({ credentials }: DownloadOptions): { authorization?: string } {
  if (credentials === undefined) return {};
  const { user, password } = credentials;
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

function reportRedirect({ url, onRedirect }: DownloadOptions, response: Dispatcher.ResponseData) {
  const { history } = (response.context ?? {}) as { readonly history?: readonly URL[] };
  const last = history?.at(-1)?.origin;
  if (last !== undefined && last !== new URL(url).origin) onRedirect?.(last);
}

/** Decides by status and headers whether the body starts the file or continues it. */
async function beginBody(
  options: DownloadOptions,
  part: PartFile,
  { statusCode, headers }: Dispatcher.ResponseData,
): Promise<number | undefined> {
  if (statusCode === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(String(headers['content-range'] ?? ''));
    if (range === null || Number(range[1]) !== part.bytes) {
      await part.discard();
      throw new Passing('the server continued at another place');
    }
    return Number(range[2]);
  }
  if (statusCode === 200) {
    const validator = validatorOf(headers);
    const origin: PartOrigin | undefined =
      validator === undefined ? undefined : { url: options.url, validator };
    await part.restart(origin);
    const length = Number(headers['content-length'] ?? Number.NaN);
    return Number.isFinite(length) ? length : undefined;
  }
  if (statusCode === 416) {
    await part.discard();
    throw new Passing('the server has no more of the file');
  }
  const retryAfter = Number(headers['retry-after'] ?? Number.NaN) * 1000;
  if (statusCode >= 500 || statusCode === 429 || statusCode === 408) {
    throw new Passing(`status ${statusCode}`, Number.isFinite(retryAfter) ? retryAfter : undefined);
  }
  throw new ModelError(`Expected the file at ${options.url} but found status ${statusCode}.`, {
    fix: FIX,
  });
}

async function finish(
  options: DownloadOptions,
  part: PartFile,
  { headers }: Dispatcher.ResponseData,
  wasResumed: boolean,
): Promise<Downloaded> {
  const { bytes } = part;
  const { md5, sha256 } = part.sums();
  const fromServer = options.md5 ?? md5OfHeaders(headers);
  const wrong = (
    [
      ['SHA-256', options.sha256, sha256],
      ['MD5', fromServer, md5],
      ['', options.bytes?.toString(), bytes.toString()],
    ] as const
  ).find(([, expected, found]) => expected !== undefined && expected !== found);
  if (wrong !== undefined) {
    await part.discard();
    // The beginning from an earlier run may be what was wrong.
    if (wasResumed) throw new Passing('the continued file has another content', 0);
    const [kind, expected, was] = wrong;
    const [right, found] = [expected, was].map((it) => (kind ? `${kind} ${it}` : `${it} bytes`));
    throw new ModelError(`Expected ${right} for ${options.url} but found ${found}.`, {
      fix: 'The file was changed during the transfer, or the mirror has another one. Nothing was kept.',
    });
  }
  await part.finish();
  const checkedBy =
    options.sha256 !== undefined
      ? 'pinned SHA-256'
      : options.md5 !== undefined
        ? 'published MD5'
        : fromServer !== undefined
          ? 'MD5 from the server'
          : 'length';
  return { bytes, md5, checkedBy };
}

type Headers = Dispatcher.ResponseData['headers'];

function validatorOf(headers: Headers): string | undefined {
  const { etag, 'last-modified': modified } = headers;
  if (typeof etag === 'string' && !etag.startsWith('W/')) return etag;
  return typeof modified === 'string' ? modified : undefined;
}

/** Google's storage sends "x-goog-hash: crc32c=…,md5=<base64>". */
function md5OfHeaders(headers: Headers): string | undefined {
  const hash = [headers['x-goog-hash'] ?? ''].flat().join(',');
  const found = /(?:^|[,\s])md5=([A-Za-z0-9+/]{22}==)/.exec(hash);
  return found ? Buffer.from(found[1], 'base64').toString('hex') : undefined;
}

/** undefined: not the network's fault (a full disk). */
function asPassing(error: unknown): Passing | undefined {
  if (error instanceof Passing) return error;
  const code = errnoOf(error) ?? '';
  const cause = (error as { cause?: unknown }).cause;
  if (/^(ENOSPC|EACCES|EPERM|EROFS|EDQUOT|EIO|EISDIR|ENOTDIR|ENAMETOOLONG)$/.test(code)) {
    return undefined;
  }
  const detail = cause instanceof Error && cause.message !== '' ? `: ${cause.message}` : '';
  return new Passing(`${(error as Error).message || code}${detail}`, undefined, error);
}

function noLuck({ url }: DownloadOptions, passing: Passing, tries: number): ModelError {
  return new ModelError(
    `Expected the file at ${url} but found, after ${tries === 1 ? 'one try' : `${tries} tries`}: ${passing.message.replace(/\.$/, '')}.`,
    { fix: `What was downloaded is kept and continued next time. ${FIX}`, cause: passing },
  );
}

function diskFailure({ path }: DownloadOptions, cause: unknown): ModelError {
  const reason =
    errnoOf(cause) === 'ENOSPC' ? 'no space left on the disk' : (cause as Error).message;
  return new ModelError(`Expected to write ${path} but found: ${reason}.`, { cause });
}
