import { ExportError } from '../errors.ts';
import { FORMAT_NAMES } from '../options/extract-options.ts';
import { ObjectReader } from '../s3/get-object.ts';
import { listObjects } from '../s3/list-objects.ts';
import { abortUpload, listUploads, tidySignal } from '../s3/multipart-upload.ts';
import { folderKey, parseS3Url } from '../s3/s3-address.ts';
import { ObjectAnswer, S3Connection } from '../s3/s3-connection.ts';
import {
  type OpenOutputOptions,
  type OutputFile,
  type OutputStore,
  partsInside,
} from './output-store.ts';
import { S3File } from './s3-file.ts';
import { S3Lock } from './s3-lock.ts';

/** Names that a run gives to its files: only uploads under these are ever taken for leftovers of ours. */
const OWN_NAME = new RegExp(
  `^((${FORMAT_NAMES.join('|')})/((part-\\d{5,}|features)\\.[a-z]+|[\\w.-]+\\.(npy|jsonl))|job/[\\w.]+|[a-z]+\\.(json|jsonl|npz|html)|_SUCCESS)$`,
);
const READ_BYTES = 8 << 20;
const PUBLISH_IN_FLIGHT = 16;

/**
 * An OutputStore below an S3 prefix.
 *
 * A file that is committed is in the store whole but invisible, as an upload that is not completed.
 * `_SUCCESS` makes all of them visible and comes last; so a listing shows either no file of this run or,
 * for the moment in which they appear, whole files without `_SUCCESS`. What is committed later is visible at once.
 */
export class S3Store implements OutputStore {
  readonly target: string;
  readonly #prefix: string;
  readonly #connection: S3Connection;
  readonly #signal: AbortSignal;
  readonly #onEvent: NonNullable<OpenOutputOptions['onEvent']>;
  /** Committed, not visible yet; by name. */
  readonly #ready = new Map<string, S3File>();
  readonly #open = new Set<S3File>();
  #isPublished = false;
  #prepared: Promise<void> | undefined;
  #lock: S3Lock | undefined;

  constructor(target: string, { s3, signal, onEvent = () => {} }: OpenOutputOptions) {
    const { bucket, key } = parseS3Url(target);
    this.target = target;
    this.#prefix = folderKey(key);
    this.#connection = new S3Connection(bucket, 'output', s3);
    this.#signal = signal;
    this.#onEvent = onEvent;
  }

  async create(name: string): Promise<OutputFile> {
    await this.#prepare();
    const file = new S3File(this.#connection, {
      name,
      key: this.#keyOf(name),
      signal: this.#signal,
      onCommit: (committed) => this.#committed(name, committed),
      onAbort: (aborted) => {
        this.#open.delete(aborted);
        if (this.#ready.get(name) === aborted) this.#ready.delete(name);
      },
    });
    this.#open.add(file);
    return file;
  }

  async list(folder: string): Promise<string[]> {
    const prefix = folder === '' ? this.#prefix : `${this.#keyOf(folder)}/`;
    const names: string[] = [];
    const options = { prefix, delimiter: '/' as const };
    for await (const { key } of listObjects(this.#connection, options, this.#signal)) {
      const name = key.slice(prefix.length);
      if (name !== '') names.push(name);
    }
    return names.sort();
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const key = this.#keyOf(name);
    const reader = new ObjectReader(this.#connection);
    try {
      const { size, etag } = await reader.head(key, this.#signal);
      for (let from = 0; from < size; from += READ_BYTES) {
        const length = Math.min(READ_BYTES, size - from);
        yield await reader.readRange({ key, etag, from, length }, this.#signal);
      }
    } catch (error) {
      if (!(error instanceof ObjectAnswer)) throw error;
      const found = error.answer === 'changed' ? 'that it changed meanwhile' : 'none';
      throw new ExportError(`Expected to read ${this.#connection.urlOf(key)} but found ${found}.`, {
        cause: error,
      });
    }
  }

  async remove(name: string): Promise<void> {
    await this.#prepare();
    const key = this.#keyOf(name);
    try {
      await this.#connection.request({ verb: 'remove', key }, this.#signal, ({ sdk, base, send }) =>
        send(new sdk.DeleteObjectCommand({ ...base, Key: key })),
      );
    } catch (error) {
      if (!(error instanceof ObjectAnswer)) throw error; // removed already
    }
  }

  async close(): Promise<void> {
    const files = [...this.#ready.values(), ...this.#open];
    this.#ready.clear();
    await Promise.allSettled(files.map((file) => file.abort()));
    const lock = this.#lock;
    this.#lock = undefined;
    if (lock !== undefined) {
      // Uploads that were started but whose answer was lost are not known here.
      await this.#abortLeftovers(tidySignal()).catch(() => undefined);
      await lock.release();
    }
    await this.#connection.close();
  }

  async #committed(name: string, file: S3File): Promise<void> {
    this.#open.delete(file);
    if (!this.#isPublished && name !== '_SUCCESS') {
      this.#ready.set(name, file);
      return;
    }
    await this.#publishReady();
    await file.publish();
    this.#isPublished = true;
  }

  async #publishReady(): Promise<void> {
    const files = [...this.#ready];
    const publishNext = async (): Promise<void> => {
      for (let next = files.shift(); next !== undefined; next = files.shift()) {
        await next[1].publish();
        this.#ready.delete(next[0]);
      }
    };
    await Promise.all(Array.from({ length: PUBLISH_IN_FLIGHT }, publishNext));
  }

  /** Before the first change: checks that we may write here and that nobody else does, and removes what a killed run left. */
  #prepare(): Promise<void> {
    this.#prepared ??= this.#proveAndTidy();
    return this.#prepared;
  }

  async #proveAndTidy(): Promise<void> {
    const signal = this.#signal;
    const warn = (message: string) => this.#onEvent({ event: 'warning', message });
    this.#lock = await S3Lock.acquire(this.#connection, this.#prefix, signal, warn);
    await this.#abortLeftovers(signal).catch((error: unknown) => {
      if (!(error instanceof ExportError)) throw error;
      warn(`Unfinished uploads of an earlier run may stay in ${this.target}: ${error.message}`);
    });
  }

  /** Only while we hold the lock: then every upload under a name of ours has no owner. */
  async #abortLeftovers(signal: AbortSignal): Promise<void> {
    for await (const { key, id } of listUploads(this.#connection, this.#prefix, signal)) {
      if (!OWN_NAME.test(key.slice(this.#prefix.length))) continue;
      await abortUpload(this.#connection, key, id, signal);
    }
  }

  #keyOf(name: string): string {
    return this.#prefix + partsInside(this.target, name).join('/');
  }
}
