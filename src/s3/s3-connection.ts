import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import { ExportError, SourceError } from '../errors.ts';
import { type Attempt, runAttempt } from './attempt.ts';
import { classifyFailure, type Failure, type FailureKind } from './classify-failure.ts';
import type { DirectGet } from './direct-get.ts';
import { explainFailure, type Request } from './explain-failure.ts';
import { type OpenedClient, openClient, type Sdk } from './open-client.ts';
import { RequestLimit } from './request-limit.ts';
import { namedEndpoint, pathStyleOf, type S3Options } from './s3-options.ts';

/** What the work of one attempt gets. */
export interface Call extends Attempt {
  /** Sends a command of the SDK; the attempt's signal ends it. */
  readonly send: S3Client['send'];
  readonly sdk: Sdk;
  readonly direct: DirectGet;
  /** Bucket, and who pays: the part that every command has. */
  readonly base: { readonly Bucket: string } & Pick<GetObjectCommandInput, 'RequestPayer'>;
}

/** A definite answer of the store about one object; the caller knows what it means. */
export class ObjectAnswer extends Error {
  override readonly name = 'ObjectAnswer';
  /** `tooLarge` is the caller's own limit: what is said of it is its size. */
  readonly answer: ObjectAnswerKind | 'tooLarge';

  constructor(answer: ObjectAnswer['answer'], cause: unknown) {
    super(`The store says: ${answer}.`, { cause });
    this.answer = answer;
  }
}

export type ObjectAnswerKind = 'vanished' | 'changed' | 'archived' | 'noUpload';

/** What may be said of one object when it is asked for; anything else is said of the store. */
const OBJECT_ANSWERS: Readonly<Record<Request['verb'], readonly ObjectAnswerKind[]>> = {
  list: [],
  read: ['vanished', 'changed', 'archived'],
  write: ['noUpload'],
  remove: ['vanished'],
};

const RETRIED: readonly FailureKind[] = ['busy', 'broken', 'damaged'];

/** Before the first answer, a store that cannot be reached at all probably has a wrong name. */
const FIRST_PATIENCE_MS = 10_000;
const MAX_REGION_CHANGES = 3;
const MAX_WAIT_MS = 20_000;
/** Bytes a second below which an attempt counts as stalled though a few bytes still come. */
const SLOWEST_BYTES_PER_MS = 20;
/** The bandwidth that is assumed for an upload at first. */
const UPLOAD_BYTES_PER_MS = 500;

/** One bucket, one client, one limit on requests in flight. The SDK is loaded with the first request. */
export class S3Connection {
  readonly bucket: string;
  readonly limit: RequestLimit;
  readonly #side: 'input' | 'output';
  readonly #options: S3Options;
  #region: string | undefined;
  #client: Promise<OpenedClient> | undefined;
  #hasAnswered = false;

  constructor(bucket: string, side: 'input' | 'output', options: S3Options) {
    this.bucket = bucket;
    this.#side = side;
    this.#options = options;
    this.#region = options.region;
    this.limit = new RequestLimit();
  }

  urlOf(key: string): string {
    return `s3://${this.bucket}/${key}`;
  }

  /**
   * One request, its body included, tried again until it succeeds, is answered, or the time for it is over.
   * `work` must be safe to repeat.
   *
   * @throws ObjectAnswer when the store answers about the object; SourceError or ExportError (by side)
   *   for everything else; the signal's reason
   */
  async request<T>(
    request: Request,
    signal: AbortSignal,
    work: (call: Call) => Promise<T>,
  ): Promise<T> {
    setMaxListeners(0, signal); // every request in flight listens
    const started = performance.now();
    let regionChanges = 0;
    for (let tries = 0; ; tries++) {
      const outcome = await this.#try(request, tries, signal, work);
      if ('result' in outcome) return outcome.result;
      const { failure } = outcome;
      if (isAnswerTo(request, failure.kind)) throw new ObjectAnswer(failure.kind, failure.cause);
      if (failure.kind === 'region' && regionChanges++ < MAX_REGION_CHANGES) {
        this.#moveTo(failure.hint!);
        continue;
      }
      const waitMs = waitBefore(tries, failure);
      const isOver = performance.now() - started + waitMs > this.#patienceFor(failure);
      if (!RETRIED.includes(failure.kind) || isOver) {
        throw await this.#explain(failure, request);
      }
      await delay(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  /** An error of this connection's side that is none of a request's. */
  error(message: string, fix: string): Error {
    return this.#side === 'input'
      ? new SourceError(message, { fix })
      : new ExportError(message, { fix });
  }

  /** Ends idle connections. */
  async close(): Promise<void> {
    const opened = await this.#client?.catch(() => undefined);
    opened?.direct.close();
    opened?.client.destroy();
  }

  async #try<T>(
    request: Request,
    tries: number,
    signal: AbortSignal,
    work: (call: Call) => Promise<T>,
  ): Promise<{ result: T } | { failure: Failure }> {
    const { client, sdk, direct } = await this.#open();
    await this.limit.enter(signal);
    const silenceMs = this.#options.timeoutMs;
    const bytes = request.bytes ?? 0;
    const slowestMs = bytes / SLOWEST_BYTES_PER_MS;
    // An upload does not report its progress: it gets a little time at first, then more and more.
    const uploadMs = Math.min(slowestMs, (2 ** tries * bytes) / UPLOAD_BYTES_PER_MS);
    const clocks = {
      silenceMs: request.verb === 'write' ? silenceMs + uploadMs : silenceMs,
      totalMs: 4 * silenceMs + slowestMs,
    };
    const base = {
      Bucket: this.bucket,
      ...(this.#options.requesterPays && { RequestPayer: 'requester' as const }),
    };
    try {
      const result = await runAttempt(clocks, signal, (attempt) => {
        const options = { abortSignal: attempt.signal };
        const send = ((command: never) => client.send(command, options)) as S3Client['send'];
        return work({ ...attempt, send, sdk, direct, base });
      });
      this.limit.succeeded();
      this.#hasAnswered = true;
      return { result };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ObjectAnswer || isFault(error)) throw error;
      const failure = classifyFailure(error);
      if (failure.kind === 'busy') this.limit.slowDown();
      // Credentials that were there and cannot be renewed just now may be renewed later.
      if (failure.kind === 'noCredentials' && this.#hasAnswered) {
        return { failure: { ...failure, kind: 'broken' } };
      }
      return { failure };
    } finally {
      this.limit.leave();
    }
  }

  #open(): Promise<OpenedClient> {
    this.#client ??= openClient(this.bucket, this.#options, this.#region);
    return this.#client;
  }

  /** Requests in flight end with the old client. */
  #moveTo(region: string): void {
    if (region === this.#region) return;
    this.#region = region;
    this.#client = undefined;
  }

  #patienceFor({ kind, status }: Failure): number {
    const { patienceMs } = this.#options;
    const isUnreachable = kind === 'broken' && (status === undefined || status < 300);
    return !this.#hasAnswered && isUnreachable
      ? Math.min(patienceMs, FIRST_PATIENCE_MS)
      : patienceMs;
  }

  async #explain(failure: Failure, request: Request): Promise<Error> {
    const { region } = await this.#open();
    return explainFailure(failure, request, {
      side: this.#side,
      bucket: this.bucket,
      endpoint: namedEndpoint(this.#options),
      region,
      pathStyle: pathStyleOf(this.#options),
      profile: this.#options.profile,
      hasAnswered: this.#hasAnswered,
    });
  }
}

function isAnswerTo({ verb }: Request, kind: FailureKind): kind is ObjectAnswerKind {
  return (OBJECT_ANSWERS[verb] as readonly FailureKind[]).includes(kind);
}

/** A defect of ours is not the network's: trying again would only hide it. */
function isFault(error: unknown): boolean {
  const isOfRequest = typeof error === 'object' && error !== null && '$metadata' in error;
  const isPlain = error instanceof TypeError || error instanceof ReferenceError;
  return isPlain && !isOfRequest && !('code' in error);
}

/** Exponential with full jitter, so that requests refused together do not come back together. */
function waitBefore(tries: number, { retryAfter }: Failure): number {
  const most = Math.min(MAX_WAIT_MS, 100 * 2 ** Math.min(tries, 10));
  return Math.max(20 + Math.random() * most, Math.min(retryAfter ?? 0, 60) * 1000);
}
