/**
 * Tells a file that ends too early from one that is damaged inside, by the format's own end mark or
 * length field; asked only after a decoder has refused the file, so a wrong guess changes a reason
 * code, never a row.
 */
export function looksCutShort(
  format: 'JPEG' | 'PNG' | 'WebP' | 'TIFF',
  bytes: Uint8Array,
): boolean {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (format) {
    case 'JPEG':
      return file.lastIndexOf('\xff\xd9', undefined, 'latin1') < 0;
    case 'PNG':
      return file.lastIndexOf('IEND', undefined, 'latin1') < 0;
    case 'WebP':
      // RIFF: the length of all that follows stands at byte 4.
      return file.length < 12 || file.readUInt32LE(4) + 8 > file.length;
    case 'TIFF':
      return false;
  }
}
