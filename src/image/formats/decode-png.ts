import { crc32 } from 'node:zlib';
import { DecodeError, endsEarly } from '../decode-error.ts';
import { checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';
import { decodeWithSharp } from './decode-with-sharp.ts';

/**
 * PNG of every colour type but 16-bit gray: Pillow opens that as `I;16`, and `convert('RGB')` then
 * clips every value above 255 to white. Neither that nor a scaling of our own would give features
 * that can be trusted. 16-bit colour takes the high byte, as Pillow does; an APNG gives its default image.
 */
export async function decodePng(bytes: Uint8Array, options: PixelOptions): Promise<RgbImage> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const pixelChunks = keepPixelChunks(file);
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
  return decodeWithSharp(pixelChunks, { format: 'PNG', maxPixels: options.maxPixels });
}

const PALETTE = 3;

/**
 * Walks all chunks: lengths, check sums, IHDR first, IEND last; libvips accepts more than Pillow here.
 * @returns the file without its metadata: critical chunks only, those with a capital first letter, whatever they
 * are: one that a decoder does not know ends it, as it changes what the data mean
 */
function keepPixelChunks(file: Buffer): Buffer {
  // Made where the first chunk is left out; a list of chunks could be larger than the file.
  let kept: Buffer | undefined;
  let filled = 0;
  let dataEnd: number | undefined;
  let at = 8;
  for (;;) {
    if (at + 12 > file.length) throw endsEarly('PNG');
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    const end = at + 8 + length;
    if (end + 4 > file.length) throw endsEarly('PNG');
    if (at === 8 && (type !== 'IHDR' || length !== 13)) {
      throw new DecodeError(
        'corrupt',
        'Expected a PNG to begin with its IHDR chunk but found another.',
      );
    }
    if (crc32(file.subarray(at + 4, end)) !== file.readUInt32BE(end)) {
      throw new DecodeError(
        'corrupt',
        `Expected an undamaged PNG but found a wrong check sum in the chunk at byte ${at}.`,
      );
    }
    if (type === 'IDAT') {
      // Else removing the chunks between would join data that a decoder refuses.
      if (dataEnd !== undefined && dataEnd !== at) {
        throw new DecodeError(
          'corrupt',
          `Expected a PNG with its pixel data in one piece but found more of them at byte ${at}.`,
        );
      }
      dataEnd = end + 4;
    }
    // For true colours a palette is only a suggestion.
    const isKept = type[0] < 'a' && (type !== 'PLTE' || file[25] === PALETTE);
    if (!isKept && kept === undefined) {
      kept = Buffer.allocUnsafe(file.length);
      filled = file.copy(kept, 0, 0, at);
    } else if (isKept && kept !== undefined) {
      filled += file.copy(kept, filled, at, end + 4);
    }
    if (type === 'IEND') return kept?.subarray(0, filled) ?? file;
    at = end + 4;
  }
}
