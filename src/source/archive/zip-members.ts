import type { Entry, getFileNameLowLevel, RandomAccessReader } from 'yauzl';
import { isImg2FeaturesError } from '../../errors.ts';
import type { ArchiveBytes } from './archive-bytes.ts';
import { damagedArchive, type Member, nameless, utf8Of } from './member.ts';

/** By its central directory, which is at the end. @throws SourceError where that is missing or damaged */
export async function* zipMembers(
  bytes: ArchiveBytes,
  archive: string,
  signal: AbortSignal,
): AsyncGenerator<Member> {
  try {
    // Loaded by the first zip alone.
    const { default: yauzl } = await import('yauzl');
    const zip = await yauzl.fromRandomAccessReaderPromise(
      readerOf(bytes, signal, yauzl.RandomAccessReader),
      bytes.size,
      {
        lazyEntries: true,
        autoClose: false,
        // One member that is not as it should be would end the listing.
        decodeStrings: false,
        validateEntrySizes: false,
      },
    );
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      const member = memberOf(entry, yauzl.getFileNameLowLevel);
      if (!member.name.endsWith('/')) yield member;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isImg2FeaturesError(error)) throw error;
    throw damagedArchive(archive, `this: ${(error as Error).message}`, error);
  }
}

function memberOf(entry: Entry, nameOf: typeof getFileNameLowLevel): Member {
  const raw = entry.fileNameRaw;
  const { uncompressedSize: size, generalPurposeBitFlag: flags } = entry;
  const isUtf8 = (flags & 0x800) !== 0;
  if (isUtf8 && utf8Of(raw) === undefined) return nameless(raw, size);
  const name = nameOf(flags, raw, entry.extraFields, false);
  const how = entry.compressionMethod;
  const fault = entry.isEncrypted()
    ? 'Expected a readable member but found it encrypted.'
    : how !== STORED && how !== DEFLATED
      ? `Expected a member stored or deflated but found compression method ${how}; pack it with zip -0.`
      : undefined;
  if (fault !== undefined) return { name, size, fault: { reason: 'unreadable', message: fault } };
  const part = {
    from: entry.relativeOffsetOfLocalHeader,
    stored: entry.compressedSize,
    isDeflated: how === DEFLATED,
    crc32: entry.crc32,
  };
  return { name, size, part };
}

const STORED = 0;
const DEFLATED = 8;

/** What yauzl reads the central directory with. */
function readerOf(
  bytes: ArchiveBytes,
  signal: AbortSignal,
  Reader: typeof RandomAccessReader,
): RandomAccessReader {
  const reader: RandomAccessReader = new (Reader as unknown as new () => RandomAccessReader)();
  reader.read = (target, offset, length, position, callback) => {
    bytes.peek(position, length, signal).then((found) => {
      found.copy(target, offset);
      callback(found.length === length ? null : new Error('it ends early'));
    }, callback);
  };
  return reader;
}
