import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../../files/make-folder.ts';
import { syncFolder } from '../../files/put-in-place.ts';
import { rename } from '../../files/rename.ts';

/** What must hold for a part to be continued: the server still has the same file. */
export interface PartOrigin {
  readonly url: string;
  /** Strong ETag, else Last-Modified: what If-Range wants. */
  readonly validator: string;
}

/**
 * The beginning of a download, `<file>.part`, with a note beside it of what it is the beginning of.
 * Its sums are computed while it grows.
 */
export class PartFile {
  readonly #path: string;
  #file: FileHandle | undefined;
  #hashes = newHashes();
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What there is of `url` from before, hashed; undefined when nothing can be continued. */
  async resume(url: string): Promise<PartOrigin | undefined> {
    makeFolder(dirname(this.#path), 0o700);
    await this.#close();
    this.#hashes = newHashes();
    this.#bytes = 0;
    const origin = await this.#readOrigin();
    if (origin?.url !== url) return undefined;
    try {
      for await (const chunk of createReadStream(this.#part, { highWaterMark: 1024 * 1024 })) {
        this.#update(chunk as Buffer);
        this.#bytes += (chunk as Buffer).length;
      }
    } catch {
      this.#bytes = 0;
    }
    return this.#bytes > 0 ? origin : undefined;
  }

  /** Starts over, from a server's answer. */
  async restart(origin: PartOrigin | undefined): Promise<void> {
    await this.#close();
    this.#hashes = newHashes();
    this.#bytes = 0;
    await rm(this.#note, { force: true });
    this.#file = await open(this.#part, 'w');
    // Without a validator there is nothing that would make a later continuation safe.
    if (origin !== undefined) await writeFile(this.#note, JSON.stringify(origin));
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#file ??= await open(this.#part, 'a');
    this.#update(chunk);
    for (let rest = chunk; rest.length > 0; ) {
      const { bytesWritten } = await this.#file.write(rest);
      rest = rest.subarray(bytesWritten);
    }
    this.#bytes += chunk.length;
  }

  /** Of everything so far, hex. */
  sums(): Sums {
    return digests(this.#hashes);
  }

  /** Gives the finished file its name. */
  async finish(): Promise<void> {
    await this.#file?.sync();
    await this.#close();
    await rename(this.#part, this.#path);
    await syncFolder(dirname(this.#path));
    await rm(this.#note, { force: true });
  }

  async discard(): Promise<void> {
    await this.#close();
    await rm(this.#part, { force: true });
    await rm(this.#note, { force: true });
  }

  /** Keeps what there is for the next time. */
  async pause(): Promise<void> {
    await this.#close();
  }

  #update(chunk: Uint8Array): void {
    for (const hash of Object.values(this.#hashes)) hash.update(chunk);
  }

  get #part(): string {
    return `${this.#path}.part`;
  }

  get #note(): string {
    return `${this.#path}.part.json`;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #readOrigin(): Promise<PartOrigin | undefined> {
    try {
      await stat(this.#part);
      const origin = JSON.parse(await readFile(this.#note, 'utf8'));
      const { url, validator } = origin ?? {};
      return typeof url === 'string' && typeof validator === 'string'
        ? { url, validator }
        : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Sums of a whole file, hex. */
export async function sumsOfFile(path: string): Promise<Sums> {
  const hashes = newHashes();
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    for (const hash of Object.values(hashes)) hash.update(chunk as Buffer);
  }
  return digests(hashes);
}

export interface Sums {
  readonly md5: string;
  readonly sha256: string;
}

function newHashes(): Record<keyof Sums, Hash> {
  return { md5: createHash('md5'), sha256: createHash('sha256') };
}

function digests({ md5, sha256 }: Record<keyof Sums, Hash>): Sums {
  return { md5: md5.copy().digest('hex'), sha256: sha256.copy().digest('hex') };
}
