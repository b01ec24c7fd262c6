import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ExportError } from '../errors.ts';
import { type Holder, livesHere, ownIdentity } from '../files/lock-file.ts';
import {
  abortUpload,
  type ListedUpload,
  listUploads,
  MultipartUpload,
} from '../s3/multipart-upload.ts';
import type { S3Connection } from '../s3/s3-connection.ts';
import { otherRunError } from './run-lock.ts';

const LOCK_FOLDER = '.img2features/lock/';
/** The lock is renewed this often … */
const BEAT_MS = 2 * 60_000;
/** … and one of another machine that is older than this has no owner any more. */
const SILENCE_MS = 10 * 60_000;
/** Long enough for a process that started at the same moment to release its lock. */
const SECOND_LOOK_MS = 3000;

/**
 * One process for one prefix. The lock is a multipart upload that is never completed: no listing of objects
 * shows it, every store has them, and the store's own clock dates them. Its key names the
 * holder. A holder that ended on this machine is known by its process id, one elsewhere because it no longer renews its lock.
 */
export class S3Lock {
  readonly #connection: S3Connection;
  readonly #folder: string;
  readonly #signal: AbortSignal;
  #upload: MultipartUpload;
  readonly #beat: NodeJS.Timeout;

  private constructor(
    connection: S3Connection,
    folder: string,
    upload: MultipartUpload,
    signal: AbortSignal,
  ) {
    this.#connection = connection;
    this.#folder = folder;
    this.#upload = upload;
    this.#signal = signal;
    this.#beat = setInterval(() => {
      this.#renew().catch(() => {}); // one missed renewal costs nothing
    }, BEAT_MS);
    this.#beat.unref();
  }

  /**
   * Also proves, before any work, that the prefix can be written.
   *
   * @param prefix of the output, with its slash
   * @throws RunError when another process holds it; ExportError
   */
  static async acquire(
    connection: S3Connection,
    prefix: string,
    signal: AbortSignal,
    onWarning: (message: string) => void,
  ): Promise<S3Lock> {
    const folder = prefix + LOCK_FOLDER;
    const upload = await startUpload(connection, folder, signal);
    try {
      await refuseOther(connection, folder, upload, signal).catch((error: unknown) => {
        if (!(error instanceof ExportError)) throw error;
        onWarning(`Another run that writes there would not be noticed: ${error.message}`);
      });
      return new S3Lock(connection, folder, upload, signal);
    } catch (error) {
      await upload.abort();
      throw error;
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#beat);
    await this.#upload.abort();
  }

  async #renew(): Promise<void> {
    const before = this.#upload;
    this.#upload = await startUpload(this.#connection, this.#folder, this.#signal);
    await before.abort(this.#signal);
  }
}

/** `.img2features/lock/<holder>/<nonce>`: the nonce keeps two locks of one process apart. */
function startUpload(
  connection: S3Connection,
  folder: string,
  signal: AbortSignal,
): Promise<MultipartUpload> {
  const holder = Buffer.from(JSON.stringify(ownIdentity())).toString('base64url');
  const key = `${folder}${holder}/${randomUUID()}`;
  const prefix = folder.slice(0, -LOCK_FOLDER.length);
  return MultipartUpload.start(connection, key, 'application/octet-stream', signal, prefix);
}

/** Two that start at once both see each other: the later one releases its lock, the earlier one checks again. */
async function refuseOther(
  connection: S3Connection,
  folder: string,
  own: MultipartUpload,
  signal: AbortSignal,
): Promise<void> {
  for (let isLastLook = false; ; isLastLook = true) {
    const { other, isLater } = await findOther(connection, folder, own, signal);
    if (other === undefined) return;
    if (isLastLook || isLater) {
      const url = connection.urlOf(folder.slice(0, -LOCK_FOLDER.length));
      throw otherRunError(url, other, 'its lock ends after ten minutes');
    }
    await delay(SECOND_LOOK_MS, undefined, { signal });
  }
}

/** Also aborts stale locks. */
async function findOther(
  connection: S3Connection,
  folder: string,
  own: MultipartUpload,
  signal: AbortSignal,
): Promise<{ other: Omit<Holder, 'nonce'> | undefined; isLater: boolean }> {
  const uploads: ListedUpload[] = [];
  for await (const upload of listUploads(connection, folder, signal)) uploads.push(upload);
  const mine = uploads.find(({ id }) => id === own.id);
  // Not listed: then this store cannot show who holds a lock.
  if (mine === undefined) return { other: undefined, isLater: false };
  for (const { key, id, started } of uploads) {
    if (id === own.id) continue;
    const holder = parseHolder(key.slice(folder.length));
    // Under our own key: the answer to an attempt of ours was lost.
    const isOrphan = key === own.key;
    if (
      !isOrphan &&
      holder !== undefined &&
      (livesHere(holder) ?? mine.started - started < SILENCE_MS)
    ) {
      return { other: holder, isLater: started < mine.started };
    }
    await abortUpload(connection, key, id, signal);
  }
  return { other: undefined, isLater: false };
}

function parseHolder(name: string): Omit<Holder, 'nonce'> | undefined {
  try {
    const holder = JSON.parse(Buffer.from(name.split('/')[0], 'base64url').toString());
    return typeof holder?.pid === 'number' && typeof holder.host === 'string' ? holder : undefined;
  } catch {
    return undefined;
  }
}
