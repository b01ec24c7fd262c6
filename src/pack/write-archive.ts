import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { ExportError } from '../errors.ts';
import { makeFolder } from '../make-folder.ts';
import { storageError } from '../storage/storage-error.ts';
import type { ArchiveEntry } from './archive-entry.ts';
import { END_OF_ARCHIVE, paddingOf, tarHeader } from './tar-format.ts';

/** Weights do not compress; libraries are as small at this level as at the highest, in half the time. */
const GZIP_LEVEL = 1;

export interface PackedFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface WriteArchiveOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
  /** The last file, made of what all others were. */
  readonly last: (files: ReadonlyMap<string, PackedFile>) => ArchiveEntry;
}

/**
 * Writes a tar archive, compressed unless `path` ends with `.tar`. Its bytes follow from the entries and Node's zlib
 * alone. It appears under its name when it is whole.
 * @throws ExportError; the signal's reason
 */
export async function writeArchive(
  path: string,
  entries: readonly ArchiveEntry[],
  { signal, onProgress, last }: WriteArchiveOptions,
): Promise<void> {
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  const files = new Map<string, PackedFile>();
  let done = 0;

  async function* tar(): AsyncGenerator<Uint8Array> {
    for (const entry of entries) yield* oneFile(entry);
    yield* oneFile(last(files));
    yield END_OF_ARCHIVE;
  }

  async function* oneFile({ path: name, size, isExecutable, source }: ArchiveEntry) {
    yield tarHeader(name, size, isExecutable);
    const hash = createHash('sha256');
    let bytes = 0;
    const chunks = 'bytes' in source ? [source.bytes] : createReadStream(source.file, LARGE_CHUNKS);
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > size) break;
      hash.update(chunk);
      yield chunk;
      done += chunk.length;
      onProgress(done, total);
    }
    if (bytes !== size) {
      throw new ExportError(
        `Expected ${size} bytes of ${name} but found that it changed meanwhile.`,
        {
          fix: 'Run it again when nothing builds or installs here.',
        },
      );
    }
    yield paddingOf(size);
    files.set(name, { bytes, sha256: hash.digest('hex') });
  }

  const temporary = `${path}.partial`;
  try {
    makeFolder(dirname(path));
    try {
      const file = createWriteStream(temporary, { flush: true });
      const source = Readable.from(tar(), { objectMode: false });
      if (path.endsWith('.tar')) await pipeline(source, file, { signal });
      else await pipeline(source, createGzip({ level: GZIP_LEVEL }), file, { signal });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw storageError(error, 'the archive', path);
  }
}

const LARGE_CHUNKS = { highWaterMark: 1 << 20 } as const;
