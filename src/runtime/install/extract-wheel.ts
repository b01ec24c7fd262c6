/** Chosen files of a wheel (a ZIP file) to disk, streamed: a library of 1 GB needs no memory. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise as openZip } from 'yauzl';
import { RuntimeError } from '../../errors.ts';
import { makeFolder } from '../../files/make-folder.ts';

export interface ExtractOptions {
  /** The wheel file. */
  readonly path: string;
  /** Expected hex digest of that file; nothing is unpacked when it differs. */
  readonly sha256: string;
  /** Folder to unpack into. */
  readonly into: string;
  /** Target path inside `into` for a member, or undefined to leave it out. */
  readonly target: (member: string) => string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns size in bytes of every file written, by its path inside `into`
 * @throws RuntimeError when the digest differs, the file is no ZIP file, or a member's name
 *   would leave the folder.
 */
export async function extractWheel(options: ExtractOptions): Promise<Record<string, number>> {
  const { path, sha256, signal } = options;
  const found = await fileSha256(path, signal);
  if (found !== sha256) {
    throw new RuntimeError(`Expected SHA-256 ${sha256} for ${path} but found ${found}.`, {
      fix: 'Remove the file and run `img2features setup` again; a mirror that alters wheels cannot be used.',
    });
  }
  try {
    return await unpack(options);
  } catch (error) {
    // Errors with a code are the file system's: the disk, not the wheel.
    if (!(error instanceof Error) || 'code' in error || error instanceof RuntimeError) throw error;
    throw new RuntimeError(`Expected an undamaged wheel in ${path} but found: ${error.message}`, {
      cause: error,
    });
  }
}

async function unpack(options: ExtractOptions): Promise<Record<string, number>> {
  const { path, into, target, signal } = options;
  const written: Record<string, number> = {};
  const zip = await openZip(path, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      signal?.throwIfAborted();
      const name = target(entry.fileName);
      if (name === undefined || entry.fileName.endsWith('/')) continue;
      const file = insideFolder(into, name);
      makeFolder(dirname(file));
      // `wx`: two members of one name would be an attack or a broken wheel.
      const output = createWriteStream(file, { flags: 'wx', mode: fileMode(entry), flush: true });
      await pipeline(await zip.openReadStreamPromise(entry), output, { signal });
      written[name] = entry.uncompressedSize;
    }
  } finally {
    zip.close();
  }
  return written;
}

/** Hex SHA-256 of a file, streamed. */
export async function fileSha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest('hex');
}

function insideFolder(folder: string, name: string): string {
  const file = resolve(folder, name);
  if (relative(folder, file).startsWith('..') || file !== join(folder, name)) {
    throw new RuntimeError(`Expected a file inside the runtime's folder but found ${name}.`);
  }
  return file;
}

/** ptxas must stay executable; nothing else of the stored mode matters. */
function fileMode(entry: Entry): number {
  return (entry.externalFileAttributes >>> 16) & 0o100 ? 0o755 : 0o644;
}
