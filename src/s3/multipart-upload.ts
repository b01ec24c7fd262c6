import type { CompletedPart } from '@aws-sdk/client-s3';
import { listObjects } from './list-objects.ts';
import { ObjectAnswer, type S3Connection } from './s3-connection.ts';

/** One size for all parts but the last (some stores insist); 10,000 of them make 160 GB. */
export const PART_BYTES = 16 << 20;
const MAX_PARTS = 10_000;
/** Parts in flight at once: with the one being filled, 64 MiB. */
const PARTS_IN_FLIGHT = 3;

/** An object that is being uploaded: invisible until `complete`, then visible as a whole. */
export class MultipartUpload {
  readonly #connection: S3Connection;
  readonly key: string;
  readonly id: string;
  readonly #parts: CompletedPart[] = [];
  readonly #sending = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #bytes = 0;

  private constructor(connection: S3Connection, key: string, id: string) {
    this.#connection = connection;
    this.key = key;
    this.id = id;
  }

  /**
   * @param shownAs what errors call the key
   * @throws ExportError
   */
  static async start(
    connection: S3Connection,
    key: string,
    contentType: string,
    signal: AbortSignal,
    shownAs = key,
  ): Promise<MultipartUpload> {
    const request = { verb: 'write' as const, key: shownAs };
    const wanted = { Key: key, ContentType: contentType, ChecksumAlgorithm: 'CRC32' as const };
    const { UploadId: id } = await connection.request(request, signal, ({ sdk, base, send }) =>
      send(new sdk.CreateMultipartUploadCommand({ ...base, ...wanted })),
    );
    if (id === undefined) {
      throw connection.error(
        `Expected to write ${connection.urlOf(key)} in parts but the store gave no name for the upload.`,
        'This store does not take multipart uploads as S3 does.',
      );
    }
    return new MultipartUpload(connection, key, id);
  }

  /**
   * Sends the next part; resolves as soon as another may be given. The bytes must stay as they are.
   * @throws ExportError, of an earlier part too
   */
  async add(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const number = this.#parts.length + 1;
    if (number > MAX_PARTS) {
      throw this.#connection.error(
        `Expected at most ${MAX_PARTS} parts of ${PART_BYTES} bytes for ${this.#connection.urlOf(this.key)} but found more.`,
        'Write to a folder, or choose a format that is cut into several files (parquet, json).',
      );
    }
    this.#parts.push({ PartNumber: number });
    this.#bytes += bytes.byteLength;
    const sent = this.#send(number, bytes, signal).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#sending.add(sent);
    void sent.finally(() => this.#sending.delete(sent));
    while (this.#sending.size >= PARTS_IN_FLIGHT) await Promise.race(this.#sending);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Waits until every part is in the store. @throws ExportError */
  async settle(): Promise<void> {
    await Promise.all(this.#sending);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Makes the object visible. @throws ExportError */
  async complete(signal: AbortSignal): Promise<void> {
    await this.settle();
    const { key, id: UploadId } = this;
    const whole = { Key: key, UploadId, MultipartUpload: { Parts: this.#parts } };
    try {
      await this.#connection.request({ verb: 'write', key }, signal, ({ sdk, base, send }) =>
        send(new sdk.CompleteMultipartUploadCommand({ ...base, ...whole })),
      );
    } catch (error) {
      if (!(error instanceof ObjectAnswer)) throw error;
      // The answer to an attempt that did succeed may have been lost.
      if (!(await this.#isThere(signal))) throw this.#vanished();
    }
  }

  /**
   * Gives up the upload: the store drops what was sent. After an interruption or a failure without `signal`: in a moment,
   * and without an error, as the first failure is the one to report and the next start aborts what stays.
   */
  async abort(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.#sending);
    const aborting = abortUpload(this.#connection, this.key, this.id, signal ?? tidySignal());
    await (signal === undefined ? aborting.catch(() => undefined) : aborting);
  }

  async #send(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const request = { verb: 'write' as const, key: this.key, bytes: bytes.byteLength };
    try {
      const sent = await this.#connection.request(request, signal, ({ sdk, base, send }) =>
        send(
          new sdk.UploadPartCommand({
            ...base,
            Key: this.key,
            UploadId: this.id,
            PartNumber: number,
            Body: bytes,
            ChecksumAlgorithm: 'CRC32',
          }),
        ),
      );
      this.#parts[number - 1] = {
        PartNumber: number,
        ETag: sent.ETag,
        ...(sent.ChecksumCRC32 !== undefined && { ChecksumCRC32: sent.ChecksumCRC32 }),
      };
    } catch (error) {
      throw error instanceof ObjectAnswer ? this.#vanished() : error;
    }
  }

  async #isThere(signal: AbortSignal): Promise<boolean> {
    for await (const { key, size } of listObjects(this.#connection, { prefix: this.key }, signal)) {
      return key === this.key && size === this.#bytes;
    }
    return false;
  }

  #vanished(): Error {
    return this.#connection.error(
      `Expected the upload of ${this.#connection.urlOf(this.key)} to be open but found it aborted.`,
      'Another process or a rule of the bucket removed it; run the same command again: it resumes from here.',
    );
  }
}

/** Long enough to clean up, short enough to wait for. */
export function tidySignal(): AbortSignal {
  return AbortSignal.timeout(5000);
}

/** Aborts an upload; one that does not exist any more is no failure. */
export async function abortUpload(
  connection: S3Connection,
  key: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await connection.request({ verb: 'write', key }, signal, ({ sdk, base, send }) =>
      send(new sdk.AbortMultipartUploadCommand({ ...base, Key: key, UploadId: id })),
    );
  } catch (error) {
    if (!(error instanceof ObjectAnswer)) throw error;
  }
}

export interface ListedUpload {
  readonly key: string;
  readonly id: string;
  /** By the store's clock, milliseconds. */
  readonly started: number;
}

/** Uploads below `prefix` that nobody has ended. */
export async function* listUploads(
  connection: S3Connection,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ListedUpload> {
  let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (;;) {
    const request = { verb: 'list' as const, key: prefix };
    const page = await connection.request(request, signal, ({ sdk, base, send }) =>
      send(new sdk.ListMultipartUploadsCommand({ ...base, Prefix: prefix, ...marker })),
    );
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Key === undefined || UploadId === undefined) continue;
      yield { key: Key, id: UploadId, started: Initiated?.getTime() ?? 0 };
    }
    const next = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    const isSame =
      next.KeyMarker === marker.KeyMarker && next.UploadIdMarker === marker.UploadIdMarker;
    if (!page.IsTruncated || !next.KeyMarker || isSame) return;
    marker = next;
  }
}
