import { SourceError } from '../../errors.ts';
import { DecodeError } from '../../image/decode-error.ts';
import { contentOffset, LOCAL_HEADER, unpackPart } from '../../image/file-part.ts';
import { ObjectReader } from '../../s3/get-object.ts';
import { listObjects, listPage } from '../../s3/list-objects.ts';
import { parseS3Url } from '../../s3/s3-address.ts';
import { ObjectAnswer, S3Connection } from '../../s3/s3-connection.ts';
import type { S3Options } from '../../s3/s3-options.ts';
import { rejectionOf } from '../s3-source.ts';
import { noneLike, severalFiles, starPattern } from '../several-files.ts';
import type { Archives } from './archive-bytes.ts';

/** With each request that lists a tar: the headers of ten members of 100 KB. */
const WINDOW_BYTES = 1 << 20;
/** From one header to the next, where members are so long that a window holds few: what lies between need not come twice. */
const FAR_BYTES = WINDOW_BYTES / 2;
const HEADER_BYTES = 16 << 10;
/** What is asked for in such parts is read as it is: columns of Parquet, an archive that is unpacked. */
const LARGE_BYTES = 64 << 10;

/**
 * Bytes read beside a zip's header and content, for the name and extra fields between them. The directory, which follows the
 * last member, has as many at least.
 */
const HEADER_ROOM = 68;

/** Archives in buckets, by their address; members are read by the range of their bytes. */
export function objectArchives(options: S3Options): Archives {
  const buckets = new Map<string, { reader: ObjectReader; connection: S3Connection }>();
  const bucketOf = (name: string) => {
    const known = buckets.get(name);
    if (known !== undefined) return known;
    const connection = new S3Connection(name, 'input', options);
    const opened = { connection, reader: new ObjectReader(connection) };
    buckets.set(name, opened);
    return opened;
  };
  const find = async (archive: string, bucket: string, key: string, signal: AbortSignal) => {
    const { connection } = bucketOf(bucket);
    // A list, not HEAD: only a list says in its body why it is refused.
    const [object] = (await listPage(connection, { prefix: key, most: 1 }, signal)).objects;
    if (object?.key === key) return object;
    throw connection.error(
      `Expected an archive at ${archive} but found no object of that name.`,
      'Check its name: every archive that is named, or that {…} stands for, must be there; capitals count.',
    );
  };
  const range = async (
    archive: string,
    etag: string,
    from: number,
    length: number,
    signal: AbortSignal,
  ) => {
    if (length === 0) return new Uint8Array(0);
    const { bucket, key } = parseS3Url(archive);
    try {
      return await bucketOf(bucket).reader.readRange({ key, etag, from, length }, signal);
    } catch (error) {
      throw error instanceof ObjectAnswer ? rejectionOf(error) : error;
    }
  };
  const matching = async (name: string, signal: AbortSignal) => {
    const { bucket, key } = parseS3Url(name);
    const star = key.indexOf('*');
    if (star <= key.lastIndexOf('/')) return [name];
    const pattern = starPattern(key);
    const found: string[] = [];
    const prefix = key.slice(0, star);
    for await (const object of listObjects(bucketOf(bucket).connection, { prefix }, signal)) {
      if (pattern.test(object.key)) found.push(name.slice(0, -key.length) + object.key);
    }
    if (found.length === 0) throw noneLike(name);
    return found;
  };
  return {
    async named(input, signal) {
      return (await Promise.all(severalFiles(input).map((name) => matching(name, signal)))).flat();
    },
    async open(archive, signal) {
      const { bucket, key } = parseS3Url(archive);
      const { size, etag } = await find(archive, bucket, key, signal);
      let last = 0;
      let window: { from: number; bytes: Buffer } = { from: 0, bytes: Buffer.alloc(0) };
      return {
        size,
        version: etag,
        async peek(from, length, stop) {
          const end = Math.max(from, Math.min(size, from + length));
          const isFar = from - last > FAR_BYTES;
          last = from;
          const windowEnd = window.from + window.bytes.length;
          if (from >= window.from && end <= windowEnd)
            return window.bytes.subarray(from - window.from, end - window.from);
          const room = isFar ? HEADER_BYTES : WINDOW_BYTES;
          const most =
            length > LARGE_BYTES ? end - from : Math.min(size - from, Math.max(length, room));
          const read = await whole(archive, range(archive, etag, from, most, stop));
          const bytes = Buffer.from(read.buffer, read.byteOffset, read.length);
          if (length <= LARGE_BYTES) window = { from, bytes };
          return bytes.subarray(0, end - from);
        },
        close() {},
      };
    },
    async read(archive, { size, version: etag, part }, signal) {
      const { from, stored, crc32 } = part!;
      if (crc32 === undefined)
        return unpackPart(await range(archive, etag, from, stored, signal), part!, size);
      const bytes = await range(archive, etag, from, LOCAL_HEADER + HEADER_ROOM + stored, signal);
      const start = contentOffset(bytes);
      const content =
        start + stored <= bytes.length
          ? bytes.subarray(start, start + stored)
          : await range(archive, etag, from + start, stored, signal);
      return unpackPart(content, part!, size);
    },
    async close() {
      for (const { connection } of buckets.values()) await connection.close();
    },
  };
}

/** What is said of one image by a rejection is said of an archive by an error. */
async function whole(archive: string, bytes: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await bytes;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new SourceError(`Expected a readable archive at ${archive} but: ${error.message}`, {
      fix: 'Start again once it stays as it is.',
      cause: error,
    });
  }
}
