import { constants } from 'node:fs';
import { access, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errnoOf } from '../errors.ts';
import { hideCredentials } from '../hide-credentials.ts';
import { cacheDir } from '../runtime/cache-dir.ts';
import { freeSpace } from '../runtime/free-space.ts';
import { listObjects } from '../s3/list-objects.ts';
import { parseS3Url } from '../s3/s3-address.ts';
import { S3Connection } from '../s3/s3-connection.ts';
import { namedEndpoint, type S3Options } from '../s3/s3-options.ts';
import { formatBytes, formatDuration } from '../terminal/units.ts';
import { type Check, type Finding, makeCheck, problemOf } from './check.ts';

/** A compiled graph of VGG16 is 0.55 GB, TensorFlow's library 0.9 GB. */
const CACHE_WANTS_BYTES = 2e9;
const OUT_WANTS_BYTES = 0.5e9;

interface Place {
  readonly what: 'cache' | 'out';
  readonly path: string;
  /** The folder itself, or the nearest above it that exists. */
  readonly existing: string;
  readonly freeBytes: number | undefined;
  /** Why it cannot be written: an errno code. */
  readonly refusal: string | undefined;
}

/** The folders that runs write: the cache, and --out where one is named. Every file written for the check is removed. */
export async function checkDisk(out: string | undefined): Promise<Check> {
  const places = [await look('cache', cacheDir())];
  if (out !== undefined) places.push(await look('out', resolve(out)));
  return makeCheck('disk', {
    summary: places
      .map(
        ({ what, freeBytes }) =>
          `${what} ${freeBytes === undefined ? 'not known' : formatBytes(freeBytes)} free`,
      )
      .join(', '),
    details: places.map(
      ({ what, path, refusal }) => `${what}: ${path}${refusal === undefined ? ', writable' : ''}`,
    ),
    findings: places.map(findingOf),
    facts: Object.fromEntries(
      places.map(({ what, path, freeBytes, refusal }) => [
        what,
        {
          path,
          freeBytes: freeBytes ?? null,
          writable: refusal === undefined,
          refusal: refusal ?? null,
        },
      ]),
    ),
  });
}

async function look(what: Place['what'], path: string): Promise<Place> {
  const { existing, bytes } = await freeSpace(path);
  return { what, path, existing, freeBytes: bytes, refusal: await refusalOf(existing) };
}

/** By trying: permissions, read-only mounts and full disks all look alike to `access`. */
async function refusalOf(folder: string): Promise<string | undefined> {
  const trial = join(folder, `.img2features-doctor-${process.pid}`);
  try {
    if (!(await stat(folder)).isDirectory()) return 'ENOTDIR';
    await access(folder, constants.W_OK | constants.X_OK);
    await mkdir(trial);
    await writeFile(join(trial, 'file'), 'x');
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? String(error);
  } finally {
    await rm(trial, { recursive: true, force: true }).catch(() => undefined);
  }
}

function findingOf({ what, path, existing, freeBytes, refusal }: Place): Finding | undefined {
  const name = what === 'cache' ? 'The cache folder' : '--out';
  const elsewhere =
    what === 'cache' ? 'set IMG2FEATURES_CACHE to another folder' : 'name another folder by --out';
  if (refusal !== undefined) {
    const isDangling = refusal === 'ENOENT';
    const why = isDangling ? 'a link to nothing' : refusal;
    const repair = isDangling
      ? 'Make the folder that it links to'
      : 'Give this user write permission there';
    return {
      severity: 'problem',
      message: `${name} ${path} cannot be written (${why}${existing === path ? '' : ` at ${existing}`}).`,
      fix: `${repair}, or ${elsewhere}.`,
    };
  }
  const wanted = what === 'cache' ? CACHE_WANTS_BYTES : OUT_WANTS_BYTES;
  if (freeBytes === undefined || freeBytes >= wanted) return undefined;
  return {
    severity: 'warning',
    message: `Only ${formatBytes(freeBytes)} are free for ${path}.`,
    fix: `Free some space, or ${elsewhere}.`,
  };
}

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
    findings: failed.map(({ problem }) => problem),
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
    const fix = 'Check the address, the credentials and --s3-endpoint.';
    return { url, key: undefined, ms: undefined, problem: problemOf(error, fix, signal) };
  } finally {
    await connection?.close();
  }
}
