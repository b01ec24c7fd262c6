import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isRunning } from '../files/lock-file.ts';
import { makeFolder } from '../files/make-folder.ts';
import { syncFolder } from '../files/put-in-place.ts';
import { rename } from '../files/rename.ts';
import type { OutputFile, WrittenFile } from './output-store.ts';
import { storageError } from './storage-error.ts';

/** Temporary files that this process has open: a second store on the same folder must not remove them. */
const openTemps = new Set<string>();

/**
 * One file that is either whole under its name or not there: written beside it under a hidden
 * temporary name (`.part-00000.parquet.tmp-<pid>`), synced, renamed, and the folder synced.
 */
export class DurableFile implements OutputFile {
  readonly #path: string;
  readonly #name: string;
  readonly #temp: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #state: 'open' | 'sealed' | 'committed' | 'aborted' = 'open';

  private constructor(path: string, name: string, temp: string, handle: FileHandle) {
    this.#path = path;
    this.#name = name;
    this.#temp = temp;
    this.#handle = handle;
  }

  /**
   * @param path where the file will be; its folder is made when missing
   * @param name what `commit` reports, and what errors call it
   * @throws ExportError
   */
  static async create(path: string, name: string): Promise<DurableFile> {
    const temp = tempPathOf(path);
    try {
      makeFolder(dirname(path));
      openTemps.add(temp);
      // Exclusive: an existing file or link (ours from before, or a link made to attack) is never written through.
      await rm(temp, { force: true });
      return new DurableFile(path, name, temp, await open(temp, 'wx'));
    } catch (error) {
      openTemps.delete(temp);
      throw storageError(error, name, dirname(path));
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#expect('open');
    try {
      const writeFrom = (at: number) => this.#handle.write(bytes, at, bytes.byteLength - at);
      const first = writeFrom(0);
      // While another thread writes.
      this.#hash.update(bytes);
      let done = (await first).bytesWritten;
      while (done < bytes.byteLength) done += (await writeFrom(done)).bytesWritten;
      this.#bytes += bytes.byteLength;
    } catch (error) {
      await this.#fail(error);
    }
  }

  async commit(): Promise<WrittenFile> {
    const written = await this.seal();
    await this.publish();
    return written;
  }

  /** The first half of `commit`: every byte is on disk, still under the temporary name. */
  async seal(): Promise<WrittenFile> {
    this.#expect('open');
    try {
      await this.#handle.sync();
      await this.#handle.close();
    } catch (error) {
      await this.#fail(error);
    }
    this.#state = 'sealed';
    return { name: this.#name, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** The second half: gives the file its name, in place of an existing one. */
  async publish(): Promise<void> {
    this.#expect('sealed');
    try {
      await rename(this.#temp, this.#path);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      await this.#fail(error);
    }
    this.#state = 'committed';
    openTemps.delete(this.#temp);
  }

  async abort(): Promise<void> {
    if (this.#state === 'committed' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    // The first failure is the one to report: a failure of the cleanup adds nothing.
    await this.#handle.close().catch(() => undefined);
    await rm(this.#temp, { force: true }).catch(() => undefined);
    openTemps.delete(this.#temp);
  }

  async #fail(error: unknown): Promise<never> {
    await this.abort();
    throw storageError(error, this.#name, dirname(this.#path));
  }

  #expect(state: 'open' | 'sealed'): void {
    if (this.#state !== state) {
      throw storageError(new Error(`that it is ${this.#state} already`), this.#name, this.#path);
    }
  }
}

/** Writes a small file durably. @throws ExportError */
export async function writeDurably(
  path: string,
  name: string,
  content: string | Uint8Array,
): Promise<WrittenFile> {
  const file = await DurableFile.create(path, name);
  await file.write(typeof content === 'string' ? Buffer.from(content) : content);
  return file.commit();
}

/** Whether a file name is that of a file being written, or left by a run that was killed. */
export function isTempName(fileName: string): boolean {
  return /^\..+\.tmp-\d+$/.test(fileName);
}

/** Removes temporary files in `folder` whose process has ended. */
export async function removeStaleTemps(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!isTempName(name) || openTemps.has(path)) continue;
    const owner = Number(name.slice(name.lastIndexOf('-') + 1));
    // In a container every run may have the same process id: then the owner is an earlier run of ours.
    if (owner === process.pid || !isRunning(owner)) await rm(path, { force: true });
  }
}

function tempPathOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp-${process.pid}`);
}
