import { ExportError, type Img2FeaturesError, SourceError } from '../errors.ts';
import { hideCredentials } from '../hide-credentials.ts';
import type { Failure, FailureKind } from './classify-failure.ts';
import { proxyAdvice } from './s3-options.ts';

/** What was being asked of the store, in the words of the message. */
export interface Request {
  readonly verb: 'list' | 'read' | 'write' | 'remove';
  /** Of the object, or the prefix of a list. */
  readonly key: string;
  /** Expected size of the body in bytes, up or down. */
  readonly bytes?: number;
}

/** Where a store is, for messages. */
export interface StoreFacts {
  /** Decides the class: SourceError for `input`, ExportError for `output`. */
  readonly side: 'input' | 'output';
  readonly bucket: string;
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly pathStyle: boolean;
  readonly profile: string | undefined;
  /** Whether any request ever succeeded. */
  readonly hasAnswered: boolean;
}

const RERUN = 'the same command resumes from here';

/** The one error a user sees: what was asked, what the store said, what to do. */
export function explainFailure(
  failure: Failure,
  request: Request,
  store: StoreFacts,
): Img2FeaturesError {
  const { found, fix } = (EXPLANATIONS[failure.kind] ?? explainOther)(failure, request, store);
  const message = `Expected to ${request.verb} s3://${store.bucket}/${request.key} but found ${found}${coda(failure)}.`;
  const detail = { fix, cause: failure.cause };
  return store.side === 'input'
    ? new SourceError(message, detail)
    : new ExportError(message, detail);
}

type Explain = (
  failure: Failure,
  request: Request,
  store: StoreFacts,
) => { readonly found: string; readonly fix: string };

const EXPLANATIONS: Partial<Record<FailureKind, Explain>> = {
  noBucket: (_, __, store) => ({
    found: `no bucket ${store.bucket} at ${place(store)}`,
    fix: 'Check the bucket name; for a store other than AWS give --s3-endpoint https://host.',
  }),
  noCredentials: (_, __, { profile }) => ({
    found:
      profile === undefined ? 'no credentials' : `no usable credentials in the profile ${profile}`,
    fix: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile: --s3-profile or AWS_PROFILE.',
  }),
  expired: () => ({
    found: 'an expired session token',
    fix: `Sign in again (e.g. aws sso login, or fresh AWS_* variables); ${RERUN}.`,
  }),
  refusedKey: (_, __, store) => ({
    found: `that ${place(store)} refuses the access key`,
    fix: 'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE: unknown key, or a wrong secret.',
  }),
  denied: (_, { verb }, { side }) => ({
    found: 'access denied',
    fix:
      side === 'output'
        ? 'The key is known but not allowed: grant s3:PutObject, s3:GetObject, s3:DeleteObject, s3:ListBucket, s3:AbortMultipartUpload and s3:ListBucketMultipartUploads on it.'
        : verb === 'list'
          ? 'The key is known but not allowed: grant s3:ListBucket on the bucket; for a bucket whose reader pays, give --requester-pays.'
          : `The list was allowed but this object is not: grant s3:GetObject on it (and kms:Decrypt where it is encrypted); ${RERUN}.`,
  }),
  clock: () => ({
    found: 'that the clock of this machine is off',
    fix: `Set the clock (timedatectl set-ntp true); ${RERUN}.`,
  }),
  tls: ({ code }, _, store) => ({
    found: `no trusted connection to ${place(store)} (${code})`,
    fix: 'Check http:// against https:// in the endpoint; for a private certificate set NODE_EXTRA_CA_CERTS to its file.',
  }),
  redirect: ({ hint }, _, store) => ({
    found: `that ${place(store)} points elsewhere${hint === undefined ? '' : ` (${hint})`}`,
    fix: 'Give --s3-region and, for a store other than AWS, --s3-endpoint of the place where the bucket is.',
  }),
  region: ({ hint }) => ({
    found: `a bucket in another region (${hint})`,
    fix: `Give --s3-region ${hint}.`,
  }),
  busy: (_, __, store) => ({
    found: `a store that is still too busy (${place(store)})`,
    fix: `Try later, or raise --s3-patience; ${RERUN}.`,
  }),
  broken: explainBroken,
  damaged: () => ({
    found: 'other bytes than were stored, each time',
    fix: 'Something between here and the store damages data, or the object is damaged: upload it again, or leave it out.',
  }),
  noStore: (_, __, store) => ({
    found: `no S3 store at ${place(store)}`,
    fix: 'Check --s3-endpoint: what answers there is not an S3 server.',
  }),
  vanished: (failure, request, store) => EXPLANATIONS.noStore!(failure, request, store),
};

function explainBroken(
  failure: Failure,
  _: Request,
  store: StoreFacts,
): { found: string; fix: string } {
  const { code, status } = failure;
  const later = `Check the network and the store; ${RERUN}.`;
  if (store.hasAnswered) return { found: `that ${place(store)} stopped answering`, fix: later };
  if (status !== undefined) {
    const isServer = status >= 500;
    return {
      found: isServer ? `a failing store at ${place(store)}` : `no S3 store at ${place(store)}`,
      fix: isServer ? later : 'Check --s3-endpoint: what answers there is not an S3 server.',
    };
  }
  const isName = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  const hint =
    isName && !store.pathStyle && store.endpoint !== undefined
      ? 'Give --s3-path-style: the bucket is part of the host name now, and that name is unknown.'
      : 'Check --s3-endpoint (AWS_ENDPOINT_URL), --s3-region and the network.';
  return {
    found: isName
      ? `that the host of ${place(store)} has no address`
      : `no answer from ${place(store)}`,
    fix: [hint, proxyAdvice(store.endpoint)].filter((part) => part !== undefined).join(' '),
  };
}

function explainOther(_: Failure, __: Request, store: StoreFacts): { found: string; fix: string } {
  return {
    found: `that ${place(store)} refuses the request`,
    fix: 'Check the bucket, the endpoint and the permissions; the words in brackets are the store’s.',
  };
}

function place({ endpoint, region }: StoreFacts): string {
  return hideCredentials(endpoint ?? `AWS ${region}`);
}

/** The store's own words, at the end, in brackets. */
function coda({ code, status, cause }: Failure): string {
  const said = cause instanceof Error ? cause.message.replace(/\s+/g, ' ').trim() : '';
  const words = [
    status === undefined ? '' : String(status),
    code,
    said === code || said === 'UnknownError' ? '' : said.slice(0, 200).replace(/\.$/, ''),
  ];
  return ` (${words.filter((word) => word !== '').join(' ')})`;
}
