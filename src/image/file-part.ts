import { crc32, inflateRawSync } from 'node:zlib';
import { DecodeError } from './decode-error.ts';

/** Where a file holds an image: as a member of an archive. */
export interface FilePart {
  /** Of its first byte; in a zip (which has a checksum) of the header before its content. */
  readonly from: number;
  /** Bytes that are stored: fewer than its size where they are deflated. */
  readonly stored: number;
  readonly isDeflated: boolean;
  /** Of the content, in a zip. */
  readonly crc32?: number | undefined;
}

/** Of a zip's header before the content, in bytes; its name and its extra fields follow. */
export const LOCAL_HEADER = 30;

/** @param header LOCAL_HEADER bytes or more @returns bytes from the header to the content @throws DecodeError */
export function contentOffset(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (header.length < LOCAL_HEADER || view.getUint32(0, true) !== 0x04034b50) {
    throw corrupt('no header of a member where its directory says');
  }
  return LOCAL_HEADER + view.getUint16(26, true) + view.getUint16(28, true);
}

/**
 * The content of a member from its stored bytes.
 * @param size of the content, as listed: no more is inflated
 * @throws DecodeError `corrupt` where the content is not as listed
 */
export function unpackPart(bytes: Uint8Array, part: FilePart, size: number): Uint8Array {
  const content = part.isDeflated ? inflate(bytes, size) : bytes;
  if (content.length !== size) throw corrupt(`${content.length} bytes instead of ${size}`);
  if (part.crc32 !== undefined && crc32(content) !== part.crc32) throw corrupt('another checksum');
  return content;
}

function inflate(bytes: Uint8Array, size: number): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: Math.max(1, size) });
  } catch (error) {
    throw corrupt(`content that does not inflate to ${size} bytes (${(error as Error).message})`);
  }
}

function corrupt(found: string): DecodeError {
  return new DecodeError(
    'corrupt',
    `Expected the member as its archive lists it but found ${found}.`,
  );
}
