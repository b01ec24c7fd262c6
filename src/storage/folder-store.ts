import { createReadStream } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ExportError, errnoOf } from '../errors.ts';
import { makeFolder } from '../files/make-folder.ts';
import { DurableFile, isTempName, removeStaleTemps } from './durable-file.ts';
import {
  type OutputFile,
  type OutputStore,
  partsInside,
  type WrittenFile,
} from './output-store.ts';
import { storageError } from './storage-error.ts';

export interface FolderStoreOptions {
  /** Committed files keep their temporary names until `_SUCCESS` gives all of them theirs, as in an S3Store. */
  readonly isHeld: boolean;
}

/** An OutputStore in a folder on disk. */
export class FolderStore implements OutputStore {
  readonly target: string;
  readonly #root: string;
  #isHeld: boolean;
  #isWriting = false;
  /** Committed, not visible yet; by name. */
  readonly #ready = new Map<string, DurableFile>();

  private constructor(target: string, { isHeld }: FolderStoreOptions = { isHeld: false }) {
    this.target = target;
    this.#root = resolve(target);
    this.#isHeld = isHeld;
  }

  /**
   * Opens a folder for writing: makes it, and removes temporary files that killed runs left.
   *
   * @throws ExportError when the folder cannot be made or written
   */
  static async open(target: string, options?: FolderStoreOptions): Promise<FolderStore> {
    const store = new FolderStore(target, options);
    store.#isWriting = true;
    try {
      makeFolder(store.#root);
      await tidy(store.#root);
    } catch (error) {
      throw storageError(error, 'the output', store.#root);
    }
    return store;
  }

  /** The store of a run that is only read: nothing is made or removed. */
  static forReading(target: string): FolderStore {
    return new FolderStore(target);
  }

  async create(name: string): Promise<OutputFile> {
    const file = await DurableFile.create(this.localPath(name), name);
    if (!this.#isHeld) return file;
    return {
      write: (bytes) => file.write(bytes),
      commit: () => this.#hold(name, file),
      abort: async () => {
        if (this.#ready.get(name) === file) this.#ready.delete(name);
        await file.abort();
      },
    };
  }

  async #hold(name: string, file: DurableFile): Promise<WrittenFile> {
    const written = await file.seal();
    if (name !== '_SUCCESS') {
      this.#ready.set(name, file);
      return written;
    }
    for (const [held, ready] of this.#ready) {
      await ready.publish();
      this.#ready.delete(held);
    }
    await file.publish();
    this.#isHeld = false;
    return written;
  }

  /** Removes what is committed but not visible. */
  async close(): Promise<void> {
    for (const file of this.#ready.values()) await file.abort();
    this.#ready.clear();
  }

  async list(folder: string): Promise<string[]> {
    const path = folder === '' ? this.#root : this.localPath(folder);
    try {
      if (this.#isWriting && folder !== '') await refuseLink(path);
      const entries = await readdir(path, { withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() && !isTempName(entry.name))
        .map((entry) => entry.name)
        .sort();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw storageError(error, 'the list of files', path);
    }
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const path = this.localPath(name);
    try {
      yield* createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Uint8Array>;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      throw new ExportError(`Expected to read ${path} but found ${errnoOf(error)}.`, {
        cause: error,
      });
    }
  }

  async remove(name: string): Promise<void> {
    const path = this.localPath(name);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw storageError(error, name, path);
    }
  }

  localPath(name: string): string {
    return join(this.#root, ...partsInside(this.target, name));
  }
}

/** What is written or removed below a link would be outside the output. */
async function refuseLink(path: string): Promise<void> {
  if (!(await lstat(path)).isSymbolicLink()) return;
  throw new ExportError(
    `Expected a folder of the output's own at ${path} but found a symbolic link, which may lead anywhere.`,
    { fix: 'Remove the link, or name its folder with --out.' },
  );
}

async function tidy(root: string): Promise<void> {
  await removeStaleTemps(root);
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeStaleTemps(join(root, entry.name));
  }
}
