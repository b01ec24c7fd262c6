import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { createGzip } from 'node:zlib';
import { createTarPacker } from 'modern-tar';
import { ExportError } from '../errors.ts';
import { replaceFile } from '../files/put-in-place.ts';
import { storageError } from '../storage/storage-error.ts';

/** Weights do not compress; libraries get as small at this level as at the highest, in half the time. */
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
 * alone. It gets its name when it is complete.
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

  const { readable, controller } = createTarPacker();

  async function addAll(): Promise<void> {
    for (const entry of entries) await addFile(entry);
    await addFile(last(files));
    controller.finalize();
  }

  async function addFile({ path: name, size, isExecutable, source }: ArchiveEntry) {
    const mode = isExecutable ? 0o755 : 0o644;
    const body = controller.add({ name, size, mode, ...NO_TRACES }).getWriter();
    const hash = createHash('sha256');
    let bytes = 0;
    // Large chunks, but none larger than the file: most are small, and each read takes a whole buffer.
    const highWaterMark = Math.min(Math.max(size, 1), LARGEST_CHUNK);
    const chunks =
      'bytes' in source ? [source.bytes] : createReadStream(source.file, { highWaterMark });
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > size) break;
      hash.update(chunk);
      await body.write(chunk);
      done += chunk.length;
      onProgress(done, total);
    }
    if (bytes !== size) {
      throw new ExportError(
        `Expected ${size} bytes of ${name} but found that it changed meanwhile.`,
        {
          fix: 'Run it again while nothing builds or installs here.',
        },
      );
    }
    await body.close();
    files.set(name, { bytes, sha256: hash.digest('hex') });
  }

  try {
    await replaceFile(path, async (temp) => {
      const file = createWriteStream(temp, { flags: 'wx' });
      const source = Readable.fromWeb(readable as NodeReadableStream<Uint8Array>);
      // What fails there ends the pipeline with its reason.
      void addAll().catch((error: unknown) => controller.error(error));
      if (path.endsWith('.tar')) await pipeline(source, file, { signal });
      else await pipeline(source, createGzip({ level: GZIP_LEVEL }), file, { signal });
    });
  } catch (error) {
    signal.throwIfAborted();
    throw storageError(error, 'the archive', path);
  }
}

/** Nothing that says when and by whom a file was made. */
const NO_TRACES = { mtime: new Date(0), uid: 0, gid: 0 };
const LARGEST_CHUNK = 1 << 20;

/** One file of the archive. */
export interface ArchiveEntry {
  /** Inside the archive, with "/" between its parts. */
  readonly path: string;
  readonly isExecutable: boolean;
  readonly source: { readonly file: string } | { readonly bytes: Uint8Array };
  readonly size: number;
}

export function fileEntry(file: string, path: string): ArchiveEntry {
  const { mode, size } = statSync(file);
  return { path, isExecutable: (mode & 0o100) !== 0, source: { file }, size };
}

export function textEntry(text: string, path: string, isExecutable = false): ArchiveEntry {
  const bytes = Buffer.from(text);
  return { path, isExecutable, source: { bytes }, size: bytes.length };
}

/**
 * All files below a folder; links to files count as the files.
 * @param isWanted gets each path below the folder, of folders too: unwanted folders are not listed
 */
export function folderEntries(
  folder: string,
  path: string,
  isWanted: (relative: string) => boolean = () => true,
): ArchiveEntry[] {
  const below = (relative: string): ArchiveEntry[] =>
    readdirSync(join(folder, relative)).flatMap((name) => {
      const inner = relative === '' ? name : `${relative}/${name}`;
      if (!isWanted(inner)) return [];
      const file = join(folder, inner);
      return statSync(file).isDirectory() ? below(inner) : [fileEntry(file, `${path}/${inner}`)];
    });
  return below('');
}
