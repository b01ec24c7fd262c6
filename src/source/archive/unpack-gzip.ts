import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, rmSync, statSync } from 'node:fs';
import { statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errnoOf, SourceError } from '../../errors.ts';
import { makeFolder } from '../../files/make-folder.ts';
import { replaceFile } from '../../files/put-in-place.ts';
import { cacheDir } from '../../runtime/cache-dir.ts';
import { damagedArchive } from './member.ts';

/** What must stay free on the disk that a file is unpacked to, in bytes. */
const KEPT_FREE = 1 << 30;
const CHECK_EVERY = 64 << 20;

/** Unpacked by this process; removed when it ends. */
const unpacked = new Set<string>();

/**
 * Nothing in a gzip file can be read without all that is before it: so it is unpacked once, whole, to the folder of the cache,
 * and removed when this process ends. What a killed one left is used by the next.
 * @returns the path of the unpacked file
 * @throws SourceError where it is damaged, or the disk has not the room
 */
export async function unpackGzip(path: string, signal: AbortSignal): Promise<string> {
  const { size, mtimeMs } = statSync(path);
  const hash = createHash('sha256').update(`${path} ${size} ${mtimeMs}`).digest();
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
        createReadStream(path),
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
