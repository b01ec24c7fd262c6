import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, rmSync } from 'node:fs';
import { statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errnoOf, SourceError } from '../../errors.ts';
import { makeFolder } from '../../files/make-folder.ts';
import { replaceFile } from '../../files/put-in-place.ts';
import { mapOrdered } from '../../map-ordered.ts';
import { cacheDir } from '../../runtime/cache-dir.ts';
import type { ArchiveBytes, Archives } from './archive-bytes.ts';
import { damagedArchive } from './member.ts';

/** What must stay free on the disk that a file is unpacked to, in bytes. */
const KEPT_FREE = 1 << 30;
const CHECK_EVERY = 64 << 20;
/** Read at once, and how many of them of an object in a store. */
const PART_BYTES = 4 << 20;
const IN_FLIGHT = 4;

/** Unpacked by this process; removed when it ends. */
const unpacked = new Set<string>();

/**
 * Nothing in a gzip file can be read without all that is before it: so it is unpacked once, whole, to the folder of the cache
 * (from a store, while it comes), and removed when this process ends. What a killed one left is used by the next.
 * @returns the path of the unpacked file
 * @throws SourceError where it is damaged, or the disk has not the room
 */
export async function unpackGzip(
  path: string,
  archives: Archives,
  signal: AbortSignal,
): Promise<string> {
  const packed = await archives.open(path, signal);
  try {
    return await unpack(path, packed, signal);
  } finally {
    packed.close();
  }
}

async function unpack(path: string, packed: ArchiveBytes, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256').update(`${path} ${packed.size} ${packed.version}`).digest();
  const folder = join(cacheDir(), 'archives');
  const target = join(folder, `${hash.toString('hex', 0, 16)}.tar`);
  if (unpacked.size === 0) {
    process.once('exit', () => {
      for (const file of unpacked) rmSync(file, { force: true });
    });
  }
  unpacked.add(target);
  if (existsSync(target)) return target;
  makeFolder(folder, 0o700);
  try {
    await replaceFile(target, async (temp) => {
      await pipeline(
        partsOf(packed, signal),
        createGunzip(),
        (chunks: AsyncIterable<Buffer>) => whileThereIsRoom(chunks, path, folder),
        createWriteStream(temp, { flags: 'wx' }),
        { signal },
      );
      // Its members' versions, when it is unpacked again: a whole number of seconds, another one for another file.
      const seconds = hash.readUInt32BE() >>> 1;
      await utimes(temp, seconds, seconds);
    });
  } catch (error) {
    signal.throwIfAborted();
    const code = errnoOf(error);
    if (code?.startsWith('Z_')) throw damagedArchive(path, (error as Error).message, error);
    if (code === 'ENOSPC') throw noRoom(path, folder);
    throw error;
  }
  return target;
}

function partsOf(packed: ArchiveBytes, signal: AbortSignal): AsyncIterable<Buffer> {
  const starts = Array.from(
    { length: Math.ceil(packed.size / PART_BYTES) },
    (_, i) => i * PART_BYTES,
  );
  return mapOrdered(starts, IN_FLIGHT, (from) => packed.peek(from, PART_BYTES, signal));
}

async function* whileThereIsRoom(chunks: AsyncIterable<Buffer>, path: string, folder: string) {
  let until = 0;
  for await (const chunk of chunks) {
    until -= chunk.length;
    if (until < 0) {
      const { bavail, bsize } = await statfs(folder);
      if (bavail * bsize < KEPT_FREE) throw noRoom(path, folder);
      until = CHECK_EVERY;
    }
    yield chunk;
  }
}

function noRoom(path: string, folder: string): SourceError {
  return new SourceError(
    `Expected room on the disk of ${folder} to unpack ${path} but less than 1 GiB would stay free.`,
    {
      fix: 'Set IMG2FEATURES_CACHE to a larger disk, or give a .tar, which is read without unpacking.',
    },
  );
}
