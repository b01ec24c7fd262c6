import { crc32 } from 'node:zlib';
import { DecodeError } from '../decode-error.ts';
import { checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';
import { decodeWithSharp } from './decode-with-sharp.ts';

/**
 * PNG of every colour type but 16-bit gray: Pillow opens that as `I;16`, and `convert('RGB')` then
 * clips every value above 255 to white. Neither that nor any scaling of our own would be a feature
 * to trust. 16-bit colour takes the high byte, as Pillow does; an APNG gives its default image.
 */
export async function decodePng(bytes: Uint8Array, options: PixelOptions): Promise<RgbImage> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  checkChunks(file);
  const width = file.readUInt32BE(16);
  const height = file.readUInt32BE(20);
  checkSize('PNG', width, height, options.maxPixels);
  const depth = file[24];
  const colorType = file[25];
  if (depth === 16 && colorType === 0) {
    throw new DecodeError(
      'unsupported_color',
      'Expected 8 bits a channel but found 16-bit gray, which Pillow would clip to white.',
    );
  }
  return decodeWithSharp(bytes, {
    format: 'PNG',
    maxPixels: options.maxPixels,
    autoOrient: options.exif === 'apply',
  });
}

/**
 * Walks all chunks: lengths, check sums, IHDR first, IEND last. libvips is more forgiving than
 * Pillow here.
 */
function checkChunks(file: Buffer): void {
  let at = 8;
  for (;;) {
    if (at + 12 > file.length) throw cutShort();
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    const end = at + 8 + length;
    if (end + 4 > file.length) throw cutShort();
    if (at === 8 && (type !== 'IHDR' || length !== 13)) {
      throw new DecodeError(
        'corrupt',
        'Expected a PNG to begin with its IHDR chunk but found another.',
      );
    }
    if (crc32(file.subarray(at + 4, end)) !== file.readUInt32BE(end)) {
      throw new DecodeError(
        'corrupt',
        `Expected a sound PNG but found a wrong check sum in the chunk at byte ${at}.`,
      );
    }
    if (type === 'IEND') return;
    at = end + 4;
  }
}

function cutShort(): DecodeError {
  return new DecodeError('truncated', 'Expected a complete PNG but found one that ends early.');
}
