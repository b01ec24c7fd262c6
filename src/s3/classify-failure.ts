import { errnoOf } from '../errors.ts';
import { StallError } from './attempt.ts';

/**
 * What a failed request means.
 * - `busy`: the store asks to slow down; `broken`: the network or the store failed; `damaged`: other bytes came
 *   than were stored. These are tried again.
 * - `region`: the bucket is elsewhere, in `region`.
 * - `vanished`, `changed`, `archived`, `noUpload`: the store answers about this one object.
 * - the rest: definite, and of the whole store.
 */
export type FailureKind =
  | 'busy'
  | 'broken'
  | 'damaged'
  | 'region'
  | 'vanished'
  | 'changed'
  | 'archived'
  | 'noUpload'
  | 'noBucket'
  | 'noStore'
  | 'noCredentials'
  | 'expired'
  | 'refusedKey'
  | 'denied'
  | 'clock'
  | 'tls'
  | 'redirect'
  | 'refused';

export interface Failure {
  readonly kind: FailureKind;
  /** The store's code, an errno, or the class of the error. */
  readonly code: string;
  readonly status: number | undefined;
  /** For `region`: where the bucket is. For `redirect`: where the store points. */
  readonly hint: string | undefined;
  /** Seconds that the store asks to wait. */
  readonly retryAfter: number | undefined;
  readonly cause: unknown;
}

const KINDS: Readonly<Record<string, FailureKind>> = {
  SlowDown: 'busy',
  ServiceUnavailable: 'busy',
  Throttling: 'busy',
  ThrottlingException: 'busy',
  ThrottledException: 'busy',
  RequestThrottled: 'busy',
  RequestThrottledException: 'busy',
  RequestLimitExceeded: 'busy',
  TooManyRequests: 'busy',
  TooManyRequestsException: 'busy',
  BandwidthLimitExceeded: 'busy',
  PriorRequestNotComplete: 'busy',
  RequestTimeout: 'busy',
  StallError: 'busy',
  InternalError: 'broken',
  IncompleteBody: 'broken',
  DamagedBody: 'damaged',
  BadDigest: 'broken',
  XAmzContentSHA256Mismatch: 'broken',
  OperationAborted: 'broken',
  ConditionalRequestConflict: 'broken',
  TemporaryRedirect: 'broken',
  NoSuchKey: 'vanished',
  NotFound: 'noStore', // what the SDK calls any 404 without a code
  PreconditionFailed: 'changed',
  InvalidObjectState: 'archived',
  NoSuchUpload: 'noUpload',
  NoSuchBucket: 'noBucket',
  InvalidBucketName: 'noBucket',
  CredentialsProviderError: 'noCredentials',
  ExpiredToken: 'expired',
  ExpiredTokenException: 'expired',
  TokenRefreshRequired: 'expired',
  RequestExpired: 'expired',
  InvalidAccessKeyId: 'refusedKey',
  SignatureDoesNotMatch: 'refusedKey',
  InvalidToken: 'refusedKey',
  XAdminUserNotFound: 'refusedKey', // versitygw
  InvalidSecurity: 'refusedKey',
  AuthorizationHeaderMalformed: 'refusedKey',
  NotSignedUp: 'refusedKey',
  UnrecognizedClientException: 'refusedKey',
  AccessDenied: 'denied',
  Forbidden: 'denied',
  AllAccessDisabled: 'denied',
  AccountProblem: 'denied',
  RequestTimeTooSkewed: 'clock',
  PermanentRedirect: 'redirect',
  MovedPermanently: 'redirect',
  Redirect: 'redirect',
  NotS3: 'noStore',
};

/** What the SDK's errors carry beside their name and message. */
interface SdkError {
  readonly name?: string;
  readonly Code?: string;
  readonly message?: string;
  readonly Region?: string;
  readonly Endpoint?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: {
    readonly statusCode?: number;
    readonly headers?: Readonly<Record<string, string>>;
  };
}

/** Reads an error of the SDK, of Node's network or of our own body reader. */
export function classifyFailure(cause: unknown): Failure {
  const error = (cause ?? {}) as SdkError;
  const headers = error.$response?.headers ?? {};
  const status = error.$response?.statusCode ?? error.$metadata?.httpStatusCode;
  const code = codeOf(error);
  const region = regionHint(error, headers);
  const retryAfter = Number(headers['retry-after']);
  return {
    kind: region === undefined ? kindOf(error, code, status) : 'region',
    code,
    status,
    hint: region ?? error.Endpoint ?? headers.location,
    retryAfter: Number.isFinite(retryAfter) && retryAfter >= 0 ? retryAfter : undefined,
    cause,
  };
}

function codeOf(error: SdkError): string {
  if (error instanceof StallError) return 'StallError';
  const named = [error.Code, error.name].find(
    (name) => name !== undefined && Object.hasOwn(KINDS, name),
  );
  return named ?? errnoOf(error) ?? error.Code ?? error.name ?? 'Error';
}

function kindOf(error: SdkError, code: string, status: number | undefined): FailureKind {
  // The store chooses the code: `constructor` is not in the table, but every object has it.
  if (Object.hasOwn(KINDS, code)) return KINDS[code];
  if (/CERT|_SSL_|^EPROTO$|^UNABLE_TO_/.test(code)) return 'tls';
  if (status === undefined || status >= 500 || status === 408) {
    if (status === 503) return 'busy';
    return status === 501 ? 'refused' : 'broken';
  }
  if (status === 429) return 'busy';
  // Only a code that says so means the object; a 404 of something else must not cost an image.
  if (status === 404) return 'noStore';
  if (status === 412) return 'changed';
  if (status === 401 || status === 403) return 'denied';
  if (status === 307) return 'broken';
  if (status >= 300 && status < 400) return 'redirect';
  // A success that cannot be read: a cut listing, or something between here and the store, such as a proxy.
  if (status < 300) return 'broken';
  return /expired/i.test(error.message ?? '') && /token/i.test(error.message ?? '')
    ? 'expired'
    : 'refused';
}

const REGION_CODES = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'InvalidRegion',
  '301',
]);

function regionHint(
  error: SdkError,
  headers: Readonly<Record<string, string>>,
): string | undefined {
  const status = error.$response?.statusCode ?? error.$metadata?.httpStatusCode;
  const isRedirect = status === 301 || [error.Code, error.name].some((c) => REGION_CODES.has(c!));
  if (!isRedirect && !(status === 400 && headers['x-amz-bucket-region'])) return undefined;
  const said = /expecting '([a-z0-9-]+)'/.exec(error.message ?? '')?.[1];
  return headers['x-amz-bucket-region'] ?? error.Region ?? said;
}
