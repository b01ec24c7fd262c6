import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync } from 'node:fs';
import { errnoOf } from '../errors.ts';
import { DecodeError } from './decode-error.ts';
import type { ListedFile } from './decoded-chunk.ts';
import { contentOffset, LOCAL_HEADER, unpackPart } from './file-part.ts';

/**
 * Eight bytes a pixel is the most an uncompressed image of a supported kind needs; the rest is
 * metadata.
 */
const BYTES_PER_PIXEL = 8;
const METADATA_BYTES = 64 * 2 ** 20;

/**
 * The whole content of a regular file. Synchronous: it runs in a decode worker, where a small file
 * is read faster than a promise is made.
 *
 * Directories, FIFOs, sockets and devices are refused, those that nobody listed before they are opened, and
 * opening never waits: nothing can hang.
 *
 * @param listed what it must still be; without it the file is taken as it is
 * @throws DecodeError `not_a_file`, `broken_link`, `vanished`, `changed`, `unreadable`, `empty_file`
 * or, for a file larger than any image of `maxPixels`, `too_many_pixels`
 */
export function readImageFile(path: string, maxPixels: number, listed?: ListedFile): Uint8Array {
  try {
    // What the listing saw was a file; if something else has replaced it, the next check finds that.
    if (listed === undefined && !statSync(path).isFile()) throw notAFile();
    // O_NONBLOCK: if a FIFO has just replaced the file, opening does not wait for a
    // writer.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return readWhole(file, maxPixels, listed);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw explain(path, error, listed !== undefined);
  }
}

/** Bytes that a file of an image of `maxPixels` may have. */
export function mostBytesOf(maxPixels: number): number {
  return maxPixels * BYTES_PER_PIXEL + METADATA_BYTES;
}

/** @throws DecodeError `too_many_pixels` for a file larger than any image of `maxPixels` */
export function expectPlausibleSize(bytes: number, maxPixels: number): void {
  const most = mostBytesOf(maxPixels);
  if (bytes <= most) return;
  throw new DecodeError(
    'too_many_pixels',
    `Expected at most ${most} bytes for an image of ${maxPixels} pixels but found ${bytes}.`,
  );
}

function readWhole(file: number, maxPixels: number, listed?: ListedFile): Uint8Array {
  const stat = fstatSync(file);
  if (!stat.isFile()) throw notAFile();
  const hasSize = listed === undefined || listed.part !== undefined || stat.size === listed.size;
  if (!hasSize || (listed !== undefined && String(stat.mtimeMs) !== listed.version)) {
    throw new DecodeError(
      'changed',
      'Expected the file that was listed but found it changed since (its size or modification time).',
    );
  }
  const size = listed?.size ?? stat.size;
  if (size === 0) throw new DecodeError('empty_file', 'Expected an image but found 0 bytes.');
  expectPlausibleSize(size, maxPixels);
  if (listed?.part === undefined) return readBytes(file, null, size);
  const { part } = listed;
  expectPlausibleSize(part.stored, maxPixels);
  const skip =
    part.crc32 === undefined ? 0 : contentOffset(readBytes(file, part.from, LOCAL_HEADER));
  return unpackPart(readBytes(file, part.from + skip, part.stored), part, size);
}

/** @param from null = where the file is @returns fewer bytes where the file shrank: the decoder decides about the rest */
function readBytes(file: number, from: number | null, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const at = from === null ? null : from + filled;
    const count = readSync(file, bytes, filled, length - filled, at);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function explain(path: string, error: unknown, wasListed: boolean): unknown {
  const code = errnoOf(error);
  // Errors of the system carry its call; others are not caused by the file, except a NUL in its
  // name.
  const isOfSystem = error instanceof Error && 'syscall' in error;
  if (!isOfSystem && code !== 'ERR_INVALID_ARG_VALUE') return error;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return isLink(path)
        ? new DecodeError('broken_link', 'Expected a file but found a link to nothing.', error)
        : new DecodeError(
            'vanished',
            wasListed
              ? 'Expected a file but found it gone since it was listed.'
              : 'Expected a file but found none of that name; relative paths start at the working folder.',
            error,
          );
    case 'ELOOP':
      return new DecodeError('broken_link', 'Expected a file but found links in a circle.', error);
    case 'EISDIR':
    case 'ENXIO':
      return notAFile();
    default:
      return new DecodeError(
        'unreadable',
        `Expected a readable file but found ${code ?? String(error)}.`,
        error,
      );
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function notAFile(): DecodeError {
  return new DecodeError('not_a_file', 'Expected a file but found a directory, pipe or device.');
}
