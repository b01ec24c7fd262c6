import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { errnoOf, SourceError } from '../../errors.ts';
import type { ListedFile } from '../../image/decoded-chunk.ts';
import { readImageFile } from '../../image/read-image-file.ts';
import { severalFiles } from '../several-files.ts';

/** One archive, or another file with images in it, while it is listed. */
export interface ArchiveBytes {
  /** In bytes. */
  readonly size: number;
  /** Changes when the archive does. */
  readonly version: string;
  /**
   * Small parts, mostly from the front to the back; fewer bytes than asked only at the end.
   * @throws SourceError when it cannot be read
   */
  peek(from: number, length: number, signal: AbortSignal): Promise<Buffer>;
  close(): void;
}

/** Archives on a disk, or in a store. */
export interface Archives {
  /**
   * Those that an input stands for, by its braces and `*`.
   * @throws OptionError for more than a million names; SourceError where `*` matches none
   */
  named(input: string, signal: AbortSignal): Promise<string[]>;
  /** @throws SourceError when it is not there or may not be read */
  open(archive: string, signal: AbortSignal): Promise<ArchiveBytes>;
  /**
   * A member of an archive that is still the one that was listed.
   * @throws DecodeError; SourceError when the store fails
   */
  read(archive: string, listed: ListedFile, signal: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Archives of this machine, by their absolute path. */
export const FILE_ARCHIVES: Archives = {
  named: async (input) => severalFiles(input),
  async open(archive) {
    // Before it is opened: opening a pipe waits for its writer.
    const stats = attempt(archive, () => statSync(archive));
    if (!stats.isFile()) {
      throw new SourceError(
        `Expected an archive at ${archive} but found a folder, pipe or device.`,
        { fix: 'Name the archive itself.' },
      );
    }
    const file = attempt(archive, () => openSync(archive, 'r'));
    return {
      size: stats.size,
      version: String(stats.mtimeMs),
      async peek(from, length) {
        const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, stats.size - from)));
        // Synchronous: a header takes two microseconds so, and thirty through a thread.
        const count = attempt(archive, () => readSync(file, bytes, 0, bytes.length, from));
        return bytes.subarray(0, count);
      },
      close: () => closeSync(file),
    };
  },
  read: async (archive, listed) => readImageFile(archive, Number.POSITIVE_INFINITY, listed),
  async close() {},
};

function attempt<T>(archive: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    const found = code === 'ENOENT' ? 'nothing' : `an error (${code})`;
    throw new SourceError(`Expected a readable archive but found ${found} at ${archive}.`, {
      fix:
        code === 'ENOENT'
          ? 'Check its name: every archive that is named, or that {…} stands for, must be there.'
          : 'Give this user read permission on it, and check its disk.',
      cause: error,
    });
  }
}
