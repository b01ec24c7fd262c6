import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../../make-folder.ts';

/** What must hold for a part to be continued: the server still has the same file. */
export interface PartOrigin {
  readonly url: string;
  /** Strong ETag, else Last-Modified: what If-Range wants. */
  readonly validator: string;
}

/**
 * The beginning of a download, `<file>.part`, with a note beside it of what it is the beginning of.
 * Its MD5 runs along.
 */
export class PartFile {
  readonly #path: string;
  #file: FileHandle | undefined;
  #hash: Hash = createHash('md5');
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
    this.#hash = createHash('md5');
    this.#bytes = 0;
    const origin = await this.#readOrigin();
    if (origin?.url !== url) return undefined;
    try {
      for await (const chunk of createReadStream(this.#part, { highWaterMark: 1024 * 1024 })) {
        this.#hash.update(chunk as Buffer);
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
    this.#hash = createHash('md5');
    this.#bytes = 0;
    await rm(this.#note, { force: true });
    this.#file = await open(this.#part, 'w');
    // Without a validator there is nothing that would make a later continuation safe.
    if (origin !== undefined) await writeFile(this.#note, JSON.stringify(origin));
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#file ??= await open(this.#part, 'a');
    this.#hash.update(chunk);
    for (let rest = chunk; rest.length > 0; ) {
      const { bytesWritten } = await this.#file.write(rest);
      rest = rest.subarray(bytesWritten);
    }
    this.#bytes += chunk.length;
  }

  /** MD5 of everything so far, hex. */
  md5(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Gives the finished file its name. */
  async finish(): Promise<void> {
    await this.#file?.sync();
    await this.#close();
    await rename(this.#part, this.#path);
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

/** MD5 of a whole file, hex. */
export async function md5OfFile(path: string): Promise<string> {
  const hash = createHash('md5');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
