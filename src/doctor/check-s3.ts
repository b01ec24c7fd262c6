import { isImg2FeaturesError } from '../errors.ts';
import { hideCredentials } from '../hide-credentials.ts';
import { listObjects } from '../s3/list-objects.ts';
import { parseS3Url } from '../s3/s3-address.ts';
import { S3Connection } from '../s3/s3-connection.ts';
import { namedEndpoint, type S3Options } from '../s3/s3-options.ts';
import { formatDuration } from '../terminal/units.ts';
import { type Check, makeCheck } from './check.ts';

/** A person waits for the answer: a store that is down is reported soon. */
const PATIENCE_MS = 8000;

/** Lists one key of each address; nothing is read or written there. */
export async function checkS3(
  urls: readonly string[],
  options: S3Options,
  signal: AbortSignal,
): Promise<Check> {
  const answers = [];
  for (const url of urls) answers.push(await askStore(url, options, signal));
  const failed = answers.filter(({ problem }) => problem !== undefined);
  return makeCheck('s3', {
    summary:
      failed.length === 0
        ? `${urls.join(', ')} can be listed`
        : `${failed.map(({ url }) => url).join(', ')} cannot be listed`,
    details: [
      `at ${namedEndpoint(options) ?? 'AWS'}`,
      ...answers.flatMap(({ url, key, ms }) =>
        ms === undefined
          ? []
          : [
              `${url}: ${key === undefined ? 'no object yet' : `first key ${key}`}, answered in ${formatDuration(ms)}`,
            ],
      ),
    ],
    findings: failed.map(({ problem }) => ({ severity: 'problem' as const, ...problem! })),
    facts: {
      endpoint: hideCredentials(namedEndpoint(options) ?? '') || null,
      addresses: answers.map(({ url, key, ms, problem }) => ({
        url,
        reachable: problem === undefined,
        firstKey: key ?? null,
        ms: ms === undefined ? null : Math.round(ms),
        message: problem?.message ?? null,
      })),
    },
  });
}

async function askStore(url: string, options: S3Options, signal: AbortSignal) {
  const started = performance.now();
  let connection: S3Connection | undefined;
  try {
    const { bucket, key: prefix } = parseS3Url(url);
    const patient = { ...options, patienceMs: Math.min(options.patienceMs, PATIENCE_MS) };
    connection = new S3Connection(bucket, 'input', patient);
    let first: string | undefined;
    for await (const { key } of listObjects(connection, { prefix, most: 1 }, signal)) {
      first = key;
      break;
    }
    return { url, key: first, ms: performance.now() - started, problem: undefined };
  } catch (error) {
    signal.throwIfAborted();
    if (!isImg2FeaturesError(error)) throw error;
    const fix = error.fix ?? 'Check the address, the credentials and --s3-endpoint.';
    return { url, key: undefined, ms: undefined, problem: { message: error.message, fix } };
  } finally {
    await connection?.close();
  }
}
