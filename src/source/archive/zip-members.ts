import yauzl, { type Entry } from 'yauzl';
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
    const zip = await yauzl.fromRandomAccessReaderPromise(new Reader(bytes, signal), bytes.size, {
      lazyEntries: true,
      autoClose: false,
      // One member that is not as it should be would end the listing.
      decodeStrings: false,
      validateEntrySizes: false,
    });
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      const member = memberOf(entry);
      if (!member.name.endsWith('/')) yield member;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isImg2FeaturesError(error)) throw error;
    throw damagedArchive(archive, `this: ${(error as Error).message}`, error);
  }
}

function memberOf(entry: Entry): Member {
  const raw = entry.fileNameRaw;
  const { uncompressedSize: size, generalPurposeBitFlag: flags } = entry;
  const isUtf8 = (flags & 0x800) !== 0;
  if (isUtf8 && utf8Of(raw) === undefined) return nameless(raw, size);
  const name = yauzl.getFileNameLowLevel(flags, raw, entry.extraFields, false);
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
class Reader extends yauzl.RandomAccessReader {
  readonly #bytes: ArchiveBytes;
  readonly #signal: AbortSignal;

  constructor(bytes: ArchiveBytes, signal: AbortSignal) {
    super();
    this.#bytes = bytes;
    this.#signal = signal;
  }

  override read(
    target: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#bytes.peek(position, length, this.#signal).then((bytes) => {
      bytes.copy(target, offset);
      callback(bytes.length === length ? null : new Error('it ends early'));
    }, callback);
  }
}
